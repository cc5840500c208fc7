//! Which addresses may be connected to. An address is the operator's, but what a name leads to is the network's:
//! names are looked up here, what is private is refused unless it was meant, and the connection goes to the very
//! address that was looked at, so that a name that changes its mind in between gains nothing.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Whose an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The public internet's.
    Public,
    /// This machine's.
    Loopback,
    /// Somebody's own network's, a carrier's included: some private networks use those.
    Private,
    /// A cloud's, where it tells its machines their secrets, and what else is reached on the link alone.
    Metadata,
    /// A group's, or the standards' own.
    Reserved,
}

/// Whose this address is. An IPv4 address in another coat is judged by what is inside.
pub(crate) fn place(ip: IpAddr) -> Place {
    match ip {
        IpAddr::V4(ip) => place_4(ip),
        IpAddr::V6(ip) => place_6(ip),
    }
}

fn place_4(ip: Ipv4Addr) -> Place {
    match ip.octets() {
        // Alibaba's, Oracle's and Azure's, which are not on the link.
        [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => Place::Metadata,
        _ if ip.is_link_local() => Place::Metadata,
        _ if ip.is_loopback() => Place::Loopback,
        _ if ip.is_private() => Place::Private,
        [100, 64..=127, ..] => Place::Private, // carriers (RFC 6598)
        [0, ..]
        | [192, 0, 0, _]
        | [192, 88, 99, _] // 6to4 relays
        | [198, 18 | 19, ..] // benchmarks
        | [240..=255, ..] => Place::Reserved,
        _ if ip.is_multicast() || ip.is_documentation() => Place::Reserved,
        _ => Place::Public,
    }
}

fn place_6(ip: Ipv6Addr) -> Place {
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        place_4(Ipv4Addr::new(a, b, c, d))
    };
    // A relay may carry it to there; what is not public is nobody's to ask for in such a coat.
    let relayed =
        |place| if matches!(place, Place::Public | Place::Metadata) { place } else { Place::Reserved };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Place::Loopback,
        [0, 0, 0, 0, 0, 0xffff, high, low] => inner(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => relayed(inner(high, low)),
        [0xfe80..=0xfebf, ..] => Place::Metadata,
        // Amazon's and Google's.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => Place::Metadata,
        [0xfc00..=0xfdff, ..] => Place::Private,
        // Only 2000::/3 is given out; of it not Teredo, ORCHID and the documentation.
        [first, second, ..] => {
            let given_out = first & 0xe000 == 0x2000;
            let own = first == 0x2001 && (second < 0x200 || second == 0xdb8);
            match given_out && !own && !(first == 0x3fff && second < 0x1000) {
                true => Place::Public,
                false => Place::Reserved,
            }
        }
    }
}

/// An address that is written as a number, in whatever spelling: the parser has brought octal, decimal and shortened
/// ones into one.
pub(crate) fn literal(url: &reqwest::Url) -> Option<IpAddr> {
    let host = url.host_str().unwrap_or_default();
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Why a name was not connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotReached {
    /// Nobody knows the name.
    Unknown,
    /// It leads to an address that is not public, which was not allowed.
    NotPublic,
    /// It leads to a public address, where the connection is not encrypted.
    Plain,
}

impl std::fmt::Display for NotReached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "its name is not known",
            Self::NotPublic => "its name leads to a private address, which must be allowed",
            Self::Plain => "http is for private addresses only; use https",
        })
    }
}

impl std::error::Error for NotReached {}

/// Says what a name may lead to, and looks names up so that nothing else is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judge {
    /// Public addresses.
    pub(crate) public: bool,
    /// This machine.
    pub(crate) loopback: bool,
    /// All others.
    pub(crate) private: bool,
}

impl Judge {
    /// # Errors
    /// Why not.
    pub(crate) fn allows(self, ip: IpAddr) -> Result<(), NotReached> {
        match place(ip) {
            Place::Public if self.public => Ok(()),
            Place::Public => Err(NotReached::Plain),
            Place::Loopback if self.loopback => Ok(()),
            _ if self.private => Ok(()),
            _ => Err(NotReached::NotPublic),
        }
    }
}

impl Resolve for Judge {
    fn resolve(&self, name: Name) -> Resolving {
        let judge = *self;
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| NotReached::Unknown)?.collect();
            if found.is_empty() {
                return Err(NotReached::Unknown.into());
            }
            // One private address among them is enough to refuse: which one is tried is not ours to say.
            for address in &found {
                judge.allows(address.ip())?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// A host's base address as the operator wrote it, and what it may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    /// Without a slash at its end.
    pub(crate) text: String,
    /// Whether the connection is encrypted.
    pub(crate) secure: bool,
    pub(crate) judge: Judge,
}

impl Base {
    /// Reads a base address. This machine and private networks are meant where they are written as such; a name
    /// that leads there was not, and needs `allow_private`. A public address is never spoken to without encryption.
    ///
    /// # Errors
    /// What is wrong and what to do. The address itself is not repeated: it may hold what nobody should read.
    pub(crate) fn parse(written: &str, allow_private: bool) -> Result<Self, &'static str> {
        let text = written.trim().trim_end_matches('/');
        let url = reqwest::Url::parse(text).map_err(|_| "cannot be read")?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err("is neither http nor https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not hold a user or a password; a key has its own setting");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must not hold a query or a fragment: paths are put behind it");
        }
        let secure = url.scheme() == "https";
        let here = url.host_str().is_some_and(|h| h.trim_end_matches('.').eq_ignore_ascii_case("localhost"));
        let written = literal(&url).map(place);
        let meant = here || matches!(written, Some(Place::Loopback | Place::Private));
        if written.is_some_and(|p| matches!(p, Place::Metadata | Place::Reserved)) && !allow_private {
            return Err("is one of the link, of a cloud's own or of no host; `allow_private` allows it");
        }
        let open = written == Some(Place::Public) || !meant && !allow_private;
        if !secure && open {
            return Err("must begin with https; http is for this machine and private addresses, \
                        and for names only with `allow_private`");
        }
        // In the clear the key would be everybody's on the way, whatever the operator has meant by the name.
        let public = secure && (!here || allow_private);
        let judge = Judge { public, loopback: here, private: allow_private };
        Ok(Self { text: url.as_str().trim_end_matches('/').to_owned(), secure, judge })
    }
}
