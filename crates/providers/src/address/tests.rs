use super::*;

#[test]
fn everybodys_addresses_are_known_in_every_coat() {
    use Place::*;
    for (place_of, ips) in [
        (Loopback, "127.0.0.1 127.8.8.8 ::1 ::ffff:127.0.0.1"),
        (
            Private,
            "10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 ::ffff:10.0.0.1 100.64.0.1 100.127.255.255 fc00::1 fd12::1",
        ),
        (
            Metadata,
            "169.254.169.254 169.254.170.2 ::ffff:169.254.169.254 100.100.100.200 168.63.129.16 192.0.0.192 fe80::1 \
             febf::1 fd00:ec2::254 fd20:ce::254 64:ff9b::169.254.169.254 2002:a9fe:a9fe::",
        ),
        (
            Reserved,
            "0.0.0.0 0.1.2.3 192.0.0.8 192.0.2.1 192.88.99.1 198.18.0.1 198.19.0.1 198.51.100.7 203.0.113.9 224.0.0.1 \
             240.0.0.1 255.255.255.255 :: ::7f00:1 64:ff9b::10.0.0.1 64:ff9b::127.0.0.1 64:ff9b:1::1 2002:7f00:1:: \
             2002:a00:1::1 2001::1 2001:db8::1 fec0::1 ff02::1 100::1 3fff::1",
        ),
        (
            Public,
            "1.1.1.1 8.8.8.8 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 192.167.1.1 198.20.0.1 168.63.129.17 \
             2606:4700::1111 2a00:1450:4001::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8",
        ),
    ] {
        for ip in ips.split_whitespace() {
            assert_eq!(place(ip.parse().unwrap()), place_of, "{ip}");
        }
    }
}

/// What may be written without more, with `allow_private` only, and never.
const WRITTEN: &[(&str, &[&str])] = &[
    (
        "meant",
        &[
            "https://api.example.com/v1",
            "https://API.example.com:8443/v1/",
            "https://8.8.8.8/v1",
            // A backslash is a slash: the host is the first.
            "https://api.example.com\\@127.0.0.1/",
            "http://localhost:11434",
            "http://LOCALHOST.:8080/v1",
            "https://localhost/v1",
            "http://127.0.0.1:11434/",
            "http://127.1:9",
            "http://2130706433:9",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://[::1]:9/v1",
            "http://[::ffff:127.0.0.1]/v1",
            "http://[::ffff:7f00:1]/v1",
            "http://192.168.0.2:8000/v1",
            "http://10.1:8000/v1",
            "http://100.64.3.4/v1",
            "https://[fd12:3456::1]/v1",
        ],
    ),
    (
        "allowed",
        &[
            "http://ollama:11434",
            "http://api.example.com/v1",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "http://0.0.0.0:11434",
            "http://0:11434",
            "http://169.254.169.254/latest",
            "https://169.254.169.254",
            "http://2852039166/",
            "http://0xA9FEA9FE/",
            "http://0251.0376.0251.0376/",
            "http://169.254.43518/",
            "http://[::ffff:169.254.169.254]/",
            "http://[::ffff:a9fe:a9fe]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "http://[fd00:ec2::254]/",
            "http://100.100.100.200/",
            "https://168.63.129.16/",
            "http://[fe80::1]/",
            "http://１６９.２５４.１６９.２５４/",
            "http://%31%36%39.254.169.254/",
            "https://224.0.0.1/",
        ],
    ),
    (
        "never",
        &[
            "",
            "nonsense",
            "api.example.com/v1",
            "//api.example.com/v1",
            "https://",
            "ftp://example.com/",
            "file:///etc/passwd",
            "unix:/run/x",
            "http://8.8.8.8/v1",
            "http://134744072/v1",
            "http://[::ffff:8.8.8.8]/v1",
            "http://[2606:4700::1111]/v1",
            "https://user@example.com/v1",
            "https://user:pass@example.com/v1",
            "https://:pass@example.com/v1",
            "https://api.example.com@127.0.0.1/",
            "https://example.com/v1?key=1",
            "https://example.com/v1?",
            "https://example.com/v1#x",
            "https://256.1.1.1/",
            "https://exa mple.com/",
            "https://[fe80::1%25eth0]/",
        ],
    ),
];

// Planted faults: a literal link address taken for a private one; the literal of `::ffff:` not opened.
#[test]
fn base_addresses_are_judged_in_every_spelling() {
    for (what, urls) in WRITTEN {
        for url in *urls {
            let as_written = Base::parse(url, false);
            let allowed = Base::parse(url, true);
            assert_eq!(as_written.is_ok(), *what == "meant", "{url}: {as_written:?}");
            assert_eq!(allowed.is_ok(), *what != "never", "{url}: {allowed:?}");
        }
    }
    let base = Base::parse(" https://API.example.com:443/v1// ", false).unwrap();
    assert_eq!(base.text, "https://api.example.com/v1");
    let error = Base::parse("https://user:hunter2@example.com", false).unwrap_err();
    assert!(!error.contains("hunter2"));
}

#[test]
fn names_may_lead_where_they_were_meant_to() {
    let of = |url: &str, allow| Base::parse(url, allow).unwrap().judge;
    let allows = |judge: Judge, ip: &str| judge.allows(ip.parse().unwrap());
    let name = of("https://api.example.com", false);
    assert_eq!(allows(name, "8.8.8.8"), Ok(()));
    for ip in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "100.64.0.1", "0.0.0.0"]
    {
        assert_eq!(allows(name, ip), Err(NotReached::NotPublic), "{ip}");
        assert_eq!(allows(of("http://ollama:11434", true), ip), Ok(()), "{ip}");
    }
    let here = of("http://localhost:11434", false);
    assert_eq!(allows(here, "127.0.0.1"), Ok(()));
    assert_eq!(allows(here, "::1"), Ok(()));
    assert_eq!(allows(here, "10.0.0.1"), Err(NotReached::NotPublic));
    assert_eq!(allows(here, "8.8.8.8"), Err(NotReached::Plain));
    // Planted fault: allowed private addresses taken for a word on public ones.
    for (url, allow, public) in [
        ("https://localhost", false, Err(NotReached::Plain)),
        ("https://localhost", true, Ok(())),
        ("http://localhost:11434", true, Err(NotReached::Plain)),
        ("http://ollama:11434", true, Err(NotReached::Plain)),
        ("http://api.example.com", true, Err(NotReached::Plain)),
        ("https://api.example.com", true, Ok(())),
    ] {
        assert_eq!(allows(of(url, allow), "8.8.8.8"), public, "{url} {allow}");
        assert_eq!(allows(of(url, allow), "10.0.0.1").is_ok(), allow, "{url} {allow}");
    }
}
