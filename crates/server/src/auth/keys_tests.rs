//! Keys of somebody else, and tokens that have the right signature and are not good all the same.

use headwater_core::Millis;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::super::token::Tokens;
use super::*;

const NOW: Millis = Millis(1_795_225_390_500);
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
/// Made for this test with `openssl`: PKCS #8, and its public half.
const EC: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgzlCKtNyVqZfOdX2cT3ode+EAaxbMyncAVjp/jP6tJ0uhRANCAASCaAERt3E9pPYQn84IVnyixGrHr5+NdZ3XzD7frVKkzi2uhZhIh9pRJXyoMIpCNr9X1CRnXT6XYMgndUbASRTn";
const EC_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEgmgBEbdxPaT2EJ/OCFZ8osRqx6+f\njXWd18w+361SpM4troWYSIfaUSV8qDCKQja/V9QkZ10+l2DIJ3VGwEkU5w==\n-----END PUBLIC KEY-----\n";
const ED: &str = "MC4CAQAwBQYDK2VwBCIEIJlK1LXIriN05OeQ2QIu2lIDdJVmwbUxyqjXoA1Ue9Ha";
const ED_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAlZAiTIba9Bgjew+fkwM9QgXOhKkM8B9dZ75tR3zk/9Y=\n-----END PUBLIC KEY-----\n";

fn own() -> Secret {
    Secret::load_or_create(tempfile::tempdir().unwrap().path()).unwrap()
}

fn load(files: &[&[u8]]) -> Result<Outside, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..files.len()).map(|n| folder.path().join(format!("{n}.key"))).collect();
    for (path, bytes) in paths.iter().zip(files) {
        std::fs::write(path, bytes).unwrap();
    }
    Outside::load("shop", "chat", &paths)
}

fn signed(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, key).unwrap()
}

fn good() -> Value {
    json!({"sub": "u1", "exp": NOW.0 / 1000 + 60, "iss": "shop", "aud": ["x", "chat"]})
}

fn der(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

// Faults planted once: `iss` of an outside key only compared where it is there; `type` not asked; a PEM read as
// secret.
#[test]
fn tokens_made_outside() {
    let mine = own();
    let files: [&[u8]; 3] = [&[SECRET, b"\n"].concat(), EC_PEM.as_bytes(), ED_PEM.as_bytes()];
    let tokens = Tokens::new(&mine).and_outside(load(&files).unwrap());
    let keys = [
        (Algorithm::HS256, EncodingKey::from_secret(SECRET)),
        (Algorithm::ES256, EncodingKey::from_ec_der(&der(EC))),
        (Algorithm::EdDSA, EncodingKey::from_ed_der(&der(ED))),
    ];
    for (algorithm, key) in &keys {
        let read = tokens.read_access(&signed(*algorithm, key, &good()), NOW).unwrap();
        assert_eq!((read.who.user.as_str(), read.outside, read.who.guest), ("u1", true, false));
        let mut access = good();
        access["type"] = json!("access");
        access["guest"] = json!(true);
        assert!(!tokens.read_access(&signed(*algorithm, key, &access), NOW).unwrap().who.guest);
        for (claim, value) in [
            ("iss", json!(null)),
            ("iss", json!("headwater")),
            ("iss", json!("shop ")),
            ("aud", json!(null)),
            ("aud", json!("headwater")),
            ("aud", json!([])),
            ("type", json!("refresh")),
            ("type", json!("id")),
            ("exp", json!(null)),
            ("sub", json!(null)),
        ] {
            let mut claims = good();
            claims[claim] = value.clone();
            let token = signed(*algorithm, key, &claims);
            assert!(tokens.read_access(&token, NOW).is_err(), "{algorithm:?} {claim}={value}");
            assert!(tokens.read_refresh(&token, NOW).is_err(), "{algorithm:?} {claim}={value}");
        }
        assert!(tokens.read_refresh(&signed(*algorithm, key, &good()), NOW).is_err());
        // Without the setting nothing of theirs is good.
        assert!(Tokens::new(&mine).read_access(&signed(*algorithm, key, &good()), NOW).is_err());
    }
    // The public halves are public: as secrets they are nobody's.
    let (ec, ed) = (EC_PEM.as_bytes(), ED_PEM.as_bytes());
    for public in [ec, ed, ec.trim_ascii_end(), ed.trim_ascii_end()] {
        let forged = signed(Algorithm::HS256, &EncodingKey::from_secret(public), &good());
        assert!(tokens.read_access(&forged, NOW).is_err());
    }
    // Our own key makes none of theirs.
    let ours = EncodingKey::from_secret(mine.bytes());
    assert!(tokens.read_access(&signed(Algorithm::HS256, &ours, &good()), NOW).is_err());
}

#[test]
fn what_is_no_key_is_named_all_at_once() {
    let long = vec![b'x'; FILE_BYTES + 1];
    let private = EC_PEM.replace("PUBLIC", "PRIVATE");
    let two = format!("{EC_PEM}{EC_PEM}");
    let other_curve =
        EC_PEM.replacen("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE", "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAF", 1);
    let files: [&[u8]; 9] = [
        b"short\n",
        b"0123456789abcdef0123456789abcde\n",
        &long,
        private.as_bytes(),
        two.as_bytes(),
        other_curve.as_bytes(),
        b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----\n",
        b"\xff-----BEGIN PUBLIC KEY-----",
    ];
    let problems = load(&files).unwrap_err();
    assert_eq!(problems.len(), files.len(), "{problems:#?}");
    assert!(problems.iter().all(|p| !p.contains("MFkw") && p.contains(".key: ")));
    assert_eq!(Outside::load("a", "b", &["/there/is/no/such.key"]).unwrap_err().len(), 1);
    assert_eq!(format!("{:?}", load(&[SECRET]).unwrap()), "Outside(1 keys)");
}
