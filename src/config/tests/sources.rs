//! Flag before variable before file before default, and each value knows where it came from.

use std::path::Path;

use super::{HOME, load};
use crate::config::{AuthChallenge, Config, Environment, LogFormat, Overrides, Source, reader::variable};

#[test]
fn without_anything_the_defaults_are_in_force() {
    let loaded = Config::load(&Overrides::default(), &Environment::of_variables([HOME])).unwrap();
    let config = loaded.config;
    assert_eq!(config.data_dir, Path::new("/home/op/.local/share/portcullis"));
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:5000");
    assert!(config.server.hosts.is_empty() && config.server.trusted_proxies.is_empty());
    assert!(config.tls.pair().is_none() && config.tls.constrained);
    assert_eq!(config.auth.challenge, AuthChallenge::Auto);
    assert_eq!(config.auth.token_lifetime.as_secs(), 300);
    assert_eq!((config.auth.password_concurrency, config.auth.password_queue), (2, 64));
    assert_eq!(config.limits.manifest_size.bytes(), 4 << 20);
    assert_eq!((config.limits.page_size, config.limits.blob_size), (1000, None));
    assert!(config.delete.enabled && config.auth.personal_namespaces);
    assert_eq!((config.log.level.as_str(), config.log.format), ("info", LogFormat::Auto));
    assert_eq!(loaded.file, None);
    assert!(loaded.provenance.entries().iter().all(|entry| entry.source == Source::Default));
}

#[test]
fn flag_beats_variable_beats_file_beats_default() {
    let file = b"\n[server]\nlisten = \"127.0.0.1:1\"\nhosts = [\"file.test\"]\nmax_connections = 7\n";
    let environment = Environment::of_variables([
        HOME,
        ("PORTCULLIS_SERVER_LISTEN", "127.0.0.1:2"),
        ("PORTCULLIS_HOSTS", "One.test, 10.0.0.1"),
    ]);
    let flags = Overrides { listen: Some("127.0.0.1:3".parse().unwrap()), ..Overrides::default() };
    let loaded = Config::parse(Path::new("/c.toml"), file, &flags, &environment).unwrap();
    let server = &loaded.config.server;
    assert_eq!(server.listen.port(), 3);
    assert_eq!(server.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["one.test", "10.0.0.1"]);
    assert_eq!(server.max_connections, 7);
    let source = |key: &str| loaded.provenance.entry(key).unwrap().source.to_string();
    assert_eq!(source("server.listen"), "flag --listen");
    assert_eq!(source("server.hosts"), "environment PORTCULLIS_HOSTS");
    assert_eq!(source("server.max_connections"), "/c.toml:5");
    assert_eq!(source("server.idle_timeout"), "default");
}

#[test]
fn every_flag_is_heard() {
    let flags = Overrides {
        data: Some("/d".into()),
        listen: Some("[::]:443".parse().unwrap()),
        hosts: vec!["a.test".to_owned(), "b.test".to_owned()],
        ..Overrides::default()
    };
    let loaded = Config::load(&flags, &Environment::default()).unwrap();
    let of_flags = loaded.provenance.entries().iter().filter(|entry| matches!(entry.source, Source::Flag { .. }));
    let lines: Vec<_> = of_flags.map(|entry| format!("{} = {}", entry.key, entry.value)).collect();
    let expected = [r#"data_dir = "/d""#, r#"server.listen = "[::]:443""#, r#"server.hosts = ["a.test", "b.test"]"#];
    assert_eq!(lines, expected);
}

/// Whatever a key shows can be given back to it by its variable.
#[test]
fn every_key_has_a_variable() {
    let defaults = load("", &[]).unwrap();
    for entry in defaults.provenance.entries() {
        let text = match &entry.value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Array(_) if entry.key == "acme.contact" => "ops@example.com".to_owned(),
            toml::Value::Array(_) if entry.key == "server.cors_origins" => "https://ui.example.com".to_owned(),
            toml::Value::Array(_) => "10.0.0.1".to_owned(),
            other => other.to_string(),
        };
        let name = variable(&entry.key);
        // One half of the operator's pair is an error, and "none" is not: that is what these show.
        let loaded = load("", &[(&name, &text)]).unwrap();
        let source = &loaded.provenance.entry(&entry.key).unwrap().source;
        assert_eq!(*source, Source::Environment { name }, "{}", entry.key);
    }
}

#[test]
fn service_links_of_any_service_stop_nothing_and_typing_errors_are_reported() {
    let links = [
        ("PORTCULLIS_SERVER_PORT", "tcp://10.0.0.1:5000"),
        ("PORTCULLIS_SERVER_SERVICE_HOST", "10.0.0.1"),
        ("PORTCULLIS_LOG_SERVICE_PORT_HTTPS", "5000"),
        ("PORTCULLIS_AUTH_PORT_5000_TCP_ADDR", "10.0.0.1"),
        ("PORTCULLIS_PORT", "tcp://10.0.0.1:5000"),
    ];
    assert!(load("", &links).unwrap().warnings.is_empty());
    let error = load("", &[("PORTCULLIS_SERVER_PORT", "5000")]).unwrap_err().to_string();
    assert!(error.contains("PORTCULLIS_SERVER_PORT"), "someone meant something: {error}");
    let told = load("", &[("PORTCULLIS_HOST", "registry.test")]).unwrap().warnings;
    assert!(told.len() == 1 && told[0].contains("PORTCULLIS_HOSTS"), "{told:?}");
    // None of our own names could be taken for a link.
    for entry in load("", &[]).unwrap().provenance.entries() {
        let name = variable(&entry.key);
        for end in ["_PORT", "_SERVICE_HOST", "_SERVICE_PORT"] {
            assert!(!name.ends_with(end), "{name}");
        }
    }
}

#[test]
fn the_short_variables_work() {
    let loaded = load("data_dir = \"/file\"", &[("PORTCULLIS_DATA", "/variable"), ("PORTCULLIS_HOSTS", "")]).unwrap();
    assert_eq!(loaded.config.data_dir, Path::new("/variable"));
    assert!(loaded.config.server.hosts.is_empty());
}

#[test]
fn the_file_is_found_by_flag_by_variable_and_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, port: u16| {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("[server]\nlisten = \"127.0.0.1:{port}\"\n")).unwrap();
        path
    };
    let (system, variable, flag) = (write("s", 1), write("v", 2), write("f", 3));
    let port = |overrides: &Overrides, environment: &Environment| {
        let loaded = Config::load(overrides, environment).unwrap();
        (loaded.config.server.listen.port(), loaded.file)
    };
    let none = Overrides::default();
    let home = Environment::of_variables([HOME]).with_system_file(dir.path().join("absent"));
    assert_eq!(port(&none, &home), (5000, None));
    let home = home.with_system_file(&system);
    assert_eq!(port(&none, &home), (1, Some(system.clone())));
    let named = [HOME, ("PORTCULLIS_CONFIG", variable.to_str().unwrap())];
    let named = Environment::of_variables(named).with_system_file(&system);
    assert_eq!(port(&none, &named), (2, Some(variable)));
    let flags = Overrides { config: Some(flag.clone()), ..none };
    assert_eq!(port(&flags, &named), (3, Some(flag)));
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let flags = Overrides { config: Some("/nonexistent/c.toml".into()), ..Overrides::default() };
    let errors = Config::load(&flags, &Environment::of_variables([HOME])).unwrap_err().to_string();
    assert!(errors.starts_with("/nonexistent/c.toml: cannot be read") && errors.contains("--config"), "{errors}");
}

#[test]
fn paths_in_a_file_start_from_its_directory() {
    let loaded = load("data_dir = \"data\"", &[]).unwrap();
    assert_eq!(loaded.config.data_dir, Path::new("/etc/data"));
}

#[test]
fn provenance_is_json_too() {
    let loaded = load("[limits]\npage_size = 5\n", &[("PORTCULLIS_LOG_FORMAT", "json")]).unwrap();
    let json = loaded.provenance.to_json();
    let find = |key: &str| json.as_array().unwrap().iter().find(|entry| entry["key"] == key).unwrap();
    let page_size = find("limits.page_size");
    assert_eq!(page_size["value"], 5);
    assert_eq!(page_size["source"], serde_json::json!({"kind": "file", "path": "/etc/c.toml", "line": 2}));
    let expected = serde_json::json!({"kind": "environment", "name": "PORTCULLIS_LOG_FORMAT"});
    assert_eq!(find("log.format")["source"], expected);
    assert_eq!(find("server.hosts")["value"], serde_json::json!([]));
    assert_eq!(find("server.hosts")["source"], serde_json::json!({"kind": "default"}));
}
