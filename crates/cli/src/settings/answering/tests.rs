use std::ffi::OsString;

use headwater_providers::host::Timeouts;

use super::*;

fn read(file: &str, env: &[(&str, &str)]) -> Result<Answering, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("headwater.toml");
    std::fs::write(&path, file).unwrap();
    let asked = Asked::gather(Some(&path), std::iter::empty::<(OsString, OsString)>(), &[])?;
    let env = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    let mut problems = Vec::new();
    let answering = Answering::read(&asked, &env, &mut problems);
    // Files are named here and not made.
    let keys = answering.missing_keys(&env).into_iter().filter(|p| !p.contains("which is not there"));
    problems.extend(keys);
    if problems.is_empty() { Ok(answering) } else { Err(problems) }
}

const KEYS: &[(&str, &str)] =
    &[("OPENAI_API_KEY", "sk-1"), ("GROQ_API_KEY", "gsk-1"), ("OPENROUTER_API_KEY", "or-1")];

fn link(provider: &str, model: Option<&str>) -> Link {
    Link { provider: provider.to_owned(), model: model.map(str::to_owned) }
}

#[test]
fn one_line_names_one_or_several() {
    let one = read("provider = \"openai\"\nmodel = \"m\"\n", KEYS).unwrap();
    assert_eq!(one.default_alias().unwrap().links, [link("openai", Some("m"))]);
    assert_eq!(one.used().map(|h| h.name.as_str()).collect::<Vec<_>>(), ["openai"]);
    for several in [
        "provider = \"groq, openrouter/openai/gpt-4.1-mini, local\"\n",
        "provider = [\"groq\", \"openrouter/openai/gpt-4.1-mini\", \"local\"]\n",
    ] {
        let links = read(several, KEYS).unwrap().default_alias().unwrap().links.clone();
        let router = link("openrouter", Some("openai/gpt-4.1-mini"));
        assert_eq!(links, [link("groq", None), router, link("local", None)]);
    }
    assert!(read("", &[]).unwrap().default_alias().is_none());
}

#[test]
fn aliases_and_hosts_of_ones_own_stand_in_tables() {
    let file = r#"
        provider = "fast"
        [providers.fast]
        format = "openai"
        base_url = "http://127.0.0.1:8080/v1"
        model = "qwen3"
        headers = { x-team = "one" }
        timeouts = { first_token = 30, idle = 9 }
        [providers.openai]
        key_file = "/run/secrets/openai"
        reasoning = "low"
        [providers.gateway]
        preset = "openai"
        base_url = "https://gateway.example/v1"
        [aliases.clever]
        use = ["openai/gpt-5", "gateway"]
        reasoning = "high"
        extra = { service_tier = "flex" }
    "#;
    let used = read(file, &[]).unwrap();
    let fast = &used.hosts["fast"];
    let seconds = (fast.timeouts.first_token.as_secs(), fast.timeouts.idle.as_secs());
    assert_eq!((seconds, fast.timeouts.whole), ((30, 9), Timeouts::default().whole));
    assert!(fast.preset.is_none() && fast.key == KeyFrom::Nowhere && fast.tools);
    assert_eq!(used.hosts["openai"].key, KeyFrom::File("/run/secrets/openai".into()));
    assert_eq!(used.hosts["openai"].base_url, "https://api.openai.com/v1");
    // Elsewhere the vendor's key has no business.
    assert_eq!(used.hosts["gateway"].key, KeyFrom::Nowhere);
    let clever = used.aliases.iter().find(|a| a.name == "clever").unwrap();
    assert_eq!(clever.links, [link("openai", Some("gpt-5")), link("gateway", None)]);
    assert_eq!((clever.reasoning, &clever.extra["service_tier"]), (Some(Effort::High), &"flex".into()));
    assert_eq!(used.default_alias().unwrap().links, [link("fast", None)]);
}

#[test]
fn everything_wrong_is_said_at_once_and_never_a_key() {
    let file = r#"
        provider = "nobody, openai/, groq, groq"
        model = "m"
        [providers.LOUD]
        format = "openai"
        [providers.local]
        format = "openai"
        [providers.a]
        base_url = "http://127.0.0.1:1"
        [providers.b]
        format = "fortran"
        [providers.c]
        format = "openai"
        [providers.d]
        preset = "openai"
        key_env = "A"
        key_file = "b"
        [providers.e]
        preset = "openai"
        api_key = "sk-in-the-file"
        [providers.f]
        preset = "openai"
        timeouts = { idle = 0 }
        [providers.g]
        preset = "openai"
        key_env = "sk-typed-here"
        [providers.h]
        preset = "openai"
        headers = "Bearer sk-typed-here"
        [aliases.none]
        use = []
        [aliases.odd]
        uses = ["openai"]
    "#;
    let problems = read(file, KEYS).unwrap_err();
    for part in [
        "`nobody`",
        "`openai/`",
        "`groq` stands there twice",
        "model in",
        "[providers.LOUD]",
        "`local` is built in",
        "[providers.a]: needs `preset`",
        "`fortran`",
        "[providers.c]: needs `base_url`",
        "exclude each other",
        "[providers.g]: `key_env` is the name of a variable",
        "[providers.h]: a value of another type than",
        "[providers.f]: `timeouts.idle` must be from 1",
        "[providers.e]: unknown field `api_key`",
        "[aliases.none] use: must name one to 8",
        "[aliases.odd]: unknown field `uses`",
    ] {
        assert!(problems.iter().any(|p| p.contains(part)), "{part}: {problems:#?}");
    }
    for secret in ["sk-in-the-file", "sk-typed-here"] {
        assert!(!format!("{problems:?}").contains(secret), "{problems:#?}");
    }
}

#[test]
fn a_key_is_asked_for_where_it_is_needed_only() {
    assert!(read("provider = \"groq\"\n", &[]).unwrap_err()[0].contains("GROQ_API_KEY"));
    assert!(read("[aliases.x]\nuse = [\"groq\"]\n", &[]).unwrap_err()[0].contains("GROQ_API_KEY"));
    let moved = read("provider = \"openai\"\n", &[("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")]).unwrap();
    assert_eq!(moved.hosts["openai"].base_url, "http://127.0.0.1:9/v1");
    assert!(moved.hosts["openai"].moved);
    // Who is not asked needs nothing.
    assert!(read("[providers.openai]\nmodel = \"m\"\n", &[]).is_ok());
    let named =
        read("provider = \"x\"\n[providers.x]\npreset = \"vllm\"\nmodel = \"m\"\nkey_env = \"X_KEY\"\n", &[]);
    assert!(named.unwrap_err()[0].contains("X_KEY"));
}

#[test]
fn the_default_is_said_once() {
    let both = "provider = \"openai\"\n[aliases.default]\nuse = [\"groq\"]\n";
    assert!(read(both, KEYS).unwrap_err()[0].contains("[aliases.default]"));
    let one = read("[aliases.default]\nuse = [\"groq/m\"]\n", KEYS).unwrap();
    assert_eq!(one.default_alias().unwrap().links, [link("groq", Some("m"))]);
}
