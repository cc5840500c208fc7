//! Whose address a request comes from, through which proxies.
//!
//! What stands in `X-Forwarded-For` is anybody's word: it is believed as far as proxies that the operator
//! named wrote it, and not one entry further.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::header::{FORWARDED, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Entries of a forwarded chain that are looked at; a request has passed one or two proxies.
const HOPS: usize = 16;

/// The client's address, as an extension and an extractor. Only the edge writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// What he is counted by.
    #[must_use]
    pub fn key(self) -> AddressKey {
        AddressKey::of(self.0)
    }
}

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        parts.extensions.get().copied().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// How a request reached us; an extension beside [`ClientAddress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// Through a proxy that is trusted.
    pub proxied: bool,
    /// The client's own connection is encrypted, as far as we know.
    pub encrypted: bool,
}

/// What a client is counted by: his address, and of IPv6 the network of 64 bits, which is what one
/// subscriber gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressKey(IpAddr);

impl AddressKey {
    /// Of this address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
            v4 => v4,
        })
    }
}

/// Addresses, as `192.0.2.7`, `10.0.0.0/8` or `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether the address is one of these; an IPv4 address in IPv6 clothes is what it is underneath.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let shared = |a: u128, b: u128, of: u32| {
            let away = of - u32::from(self.bits);
            away == of || a >> away == b >> away
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(a)) => shared(net.to_bits().into(), a.to_bits().into(), 32),
            (IpAddr::V6(net), IpAddr::V6(a)) => shared(net.to_bits(), a.to_bits(), 128),
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address such as 192.0.2.7 and no network such as 10.0.0.0/8");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= all).ok_or_else(wrong)?,
            None => all,
        };
        Ok(Self { address, bits })
    }
}

/// Which header the proxies write. Exactly one is read: the other may have come from the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Told {
    /// `X-Forwarded-For`, with `X-Forwarded-Proto`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239), with its `proto`.
    Forwarded,
}

/// The proxies whose word counts; none by default.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// Where they are.
    pub networks: Vec<Network>,
    /// Where they say who asks.
    pub told: Told,
}

impl Proxies {
    /// Whether this is one of them.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// Who asks: the last address of the chain that is none of the proxies. An entry that cannot be read ends
    /// the chain: what stands before it is worth nothing.
    #[must_use]
    pub fn client(&self, peer: IpAddr, encrypted: bool, headers: &HeaderMap) -> (ClientAddress, Reached) {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return (ClientAddress(client), Reached { proxied: false, encrypted });
        }
        let mut told_encrypted = None;
        let proto_of = |hop: &Hop| hop.proto.as_deref().map(|proto| proto.eq_ignore_ascii_case("https"));
        for hop in self.chain(headers).into_iter().rev().take(HOPS) {
            told_encrypted = told_encrypted.or_else(|| proto_of(&hop));
            let Some(address) = hop.address else { break };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        if self.told == Told::XForwardedFor {
            let last = headers.get_all(X_FORWARDED_PROTO).iter().next_back();
            let last = last.and_then(|v| v.to_str().ok()).and_then(|v| v.rsplit(',').next());
            told_encrypted = last.map(|proto| proto.trim().eq_ignore_ascii_case("https"));
        }
        (ClientAddress(client), Reached { proxied: true, encrypted: told_encrypted.unwrap_or(encrypted) })
    }

    fn chain(&self, headers: &HeaderMap) -> Vec<Hop> {
        let name = match self.told {
            Told::XForwardedFor => X_FORWARDED_FOR,
            Told::Forwarded => FORWARDED,
        };
        // Several headers of one name are one list, in their order.
        let entries = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("unreadable"));
        entries.flat_map(|value| value.split(',')).map(|entry| Hop::read(self.told, entry.trim())).collect()
    }
}

struct Hop {
    address: Option<IpAddr>,
    proto: Option<String>,
}

impl Hop {
    fn read(told: Told, entry: &str) -> Self {
        if told == Told::XForwardedFor {
            return Self { address: host(entry), proto: None };
        }
        let pair = |wanted: &str| {
            entry.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().trim_matches('"'))
            })
        };
        Self { address: pair("for").and_then(host), proto: pair("proto").map(str::to_owned) }
    }
}

/// An address, with or without a port, as proxies write them.
fn host(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(inside, _)| inside);
    let address = match bare {
        Some(inside) => inside.parse().ok(),
        None => text.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|s| s.ip())),
    };
    address.map(|a: IpAddr| a.to_canonical())
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(networks: &[&str], told: Told) -> Proxies {
        Proxies { networks: networks.iter().map(|n| n.parse().unwrap()).collect(), told }
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        map
    }

    // Planted fault: the leftmost entry believed, which is what the client wrote.
    #[test]
    fn the_last_address_that_is_no_proxy() {
        let trusted = proxies(&["10.0.0.0/8", "fd00::/8"], Told::XForwardedFor);
        for (peer, chain, client) in [
            ("203.0.113.9", "192.0.2.1", "203.0.113.9"),
            ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
            ("10.0.0.1", "6.6.6.6, 192.0.2.1", "192.0.2.1"),
            ("10.0.0.1", "6.6.6.6, 192.0.2.1, 10.2.3.4", "192.0.2.1"),
            ("10.0.0.1", "10.9.9.9, 10.2.3.4", "10.9.9.9"),
            ("10.0.0.1", "192.0.2.1, nonsense", "10.0.0.1"),
            ("10.0.0.1", "192.0.2.1, nonsense, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "192.0.2.1:4711", "192.0.2.1"),
            ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("fd00::1", "2001:db8::1", "2001:db8::1"),
            ("::ffff:10.0.0.1", "::ffff:192.0.2.1", "192.0.2.1"),
            ("192.168.0.1", "10.0.0.1", "192.168.0.1"),
        ] {
            let headers = headers(&[("x-forwarded-for", chain), ("forwarded", "for=6.6.6.6")]);
            let (found, reached) = trusted.client(peer.parse().unwrap(), false, &headers);
            assert_eq!(found.0, client.parse::<IpAddr>().unwrap(), "{peer} {chain}");
            assert_eq!(reached.proxied, trusted.trusts(peer.parse().unwrap()));
        }
        // Two headers are one list.
        let two = headers(&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.1")]);
        assert_eq!(trusted.client([10, 0, 0, 1].into(), false, &two).0.0, IpAddr::from([192, 0, 2, 1]));
        let nobody = Proxies::default();
        let said = headers(&[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")]);
        let (found, reached) = nobody.client([127, 0, 0, 1].into(), false, &said);
        assert_eq!((found.0, reached.encrypted), (IpAddr::from([127, 0, 0, 1]), false));
        assert!(trusted.client([10, 0, 0, 1].into(), false, &said).1.encrypted);
    }

    #[test]
    fn the_standard_header_where_it_is_asked_for() {
        let trusted = proxies(&["10.0.0.0/8"], Told::Forwarded);
        let said = headers(&[
            ("forwarded", "for=6.6.6.6, for=\"[2001:db8::7]:99\";proto=https;by=10.0.0.3"),
            ("x-forwarded-for", "7.7.7.7"),
        ]);
        let (found, reached) = trusted.client([10, 0, 0, 1].into(), false, &said);
        assert_eq!(found.0, "2001:db8::7".parse::<IpAddr>().unwrap());
        assert!(reached.encrypted && reached.proxied);
        let hidden = headers(&[("forwarded", "for=192.0.2.1, for=_hidden")]);
        assert_eq!(trusted.client([10, 0, 0, 1].into(), false, &hidden).0.0, IpAddr::from([10, 0, 0, 1]));
    }

    #[test]
    fn networks_and_keys() {
        for (network, address, is_in) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("fd00::/8", "fdff::1", true),
            ("::1", "::1", true),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), is_in, "{network} {address}");
        }
        for wrong in ["", "10.0.0.0/33", "fd00::/129", "10.0.0", "localhost", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
        let key = |text: &str| AddressKey::of(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
