//! Errors name place, key and fix, all of them at once, and none makes the loader panic.

use std::path::Path;

use proptest::prelude::*;

use super::{errors, load};
use crate::config::{Config, ConfigError, Environment, Overrides};

fn only(text: &str) -> String {
    let mut errors = errors(text, &[]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0)
}

#[test]
fn an_unknown_key_names_file_line_and_the_nearest() {
    for (text, line, key, nearest) in [
        ("[server]\n\nlisen = \"0.0.0.0:1\"\n", 3, "server.lisen", "server.listen"),
        ("data = \"/x\"\n", 1, "data", "data_dir"),
        ("[sever]\nlisten = \"0.0.0.0:1\"\n", 1, "sever", "server"),
        ("[server]\nservice = \"a\"\n", 2, "server.service", "auth.service"),
        ("service = \"a\"\n", 1, "service", "auth.service"),
        ("server.host = []\n", 1, "server.host", "server.hosts"),
        ("\"data_dir\\n\" = 1\n", 1, "\"data_dir\\n\"", "data_dir"),
    ] {
        let error = only(text);
        let start = format!("/etc/c.toml:{line}: unknown key {key}; ");
        assert!(error.starts_with(&start) && error.ends_with(nearest), "{error}");
    }
}

#[test]
fn a_wrong_type_names_file_line_and_key() {
    for (text, start, says) in [
        (
            "[server]\nlisten = 5000\n",
            "/etc/c.toml:2: server.listen: ",
            "expected an address with a port such as \"0.0.0.0:5000\" or \"[::]:5000\", found a number",
        ),
        ("[delete]\nenabled = \"yes\"\n", "/etc/c.toml:2: delete.enabled: ", "true or false"),
        ("[limits]\npage_size = \"10\"\n", "/etc/c.toml:2: limits.page_size: ", "whole number"),
        ("[auth]\ntoken_lifetime = 300\n", "/etc/c.toml:2: auth.token_lifetime: ", "\"5m\""),
        ("[server]\nhosts = \"a\"\n", "/etc/c.toml:2: server.hosts: ", "a list"),
        ("[server]\nhosts = [\n  'a',\n  'b:1',\n]\n", "/etc/c.toml:4: server.hosts: ", "leave out the port"),
        ("server = 1\n", "/etc/c.toml:1: server: ", "write [server]"),
        ("[[server]]\nlisten = 1\n", "/etc/c.toml:1: server: ", "write [server]"),
        ("[server.listen]\na = 1\n", "/etc/c.toml:1: server.listen: ", "found a section"),
    ] {
        let error = only(text);
        assert!(error.starts_with(start) && error.contains(says), "{error}");
    }
}

#[test]
fn bounds_are_told() {
    for (text, says) in [
        ("[auth]\ntoken_lifetime = \"59s\"", "\"59s\" is out of bounds: choose between \"1m\" and \"1h\""),
        ("[auth]\ntoken_lifetime = \"61m\"", "out of bounds"),
        ("[auth]\npassword_concurrency = 0", "0 is out of bounds: choose between 1 and 64"),
        ("[auth]\nchallenge = \"digest\"", "not one of \"auto\", \"bearer\", \"basic\""),
        ("[auth]\nservice = \"a b\"", "visible ASCII"),
        ("[auth]\nissuer = \"\"", "visible ASCII"),
        ("[limits]\npage_size = 1001", "between 1 and 1000"),
        ("[acme]\nchallenge = \"dns-01\"", "not one of \"tls-alpn-01\", \"http-01\""),
        ("[acme]\ndirectory = \"http://ca.test/dir\"", "is not an https address"),
        ("[acme]\ndirectory = \"https://user:secret@ca.test/dir\"", "contains a user or a password"),
        ("[acme]\ncontact = [\"mailto:a@b.test\"]", "is not a mail address"),
        ("[acme]\neab_kid = \"a\"", "acme.eab_key_file is missing"),
        ("[limits]\ntags_per_push = 9", "between 10 and 1000"),
        ("[limits]\nblob_size = \"1B\"", "\"none\""),
        ("[limits]\nmanifest_size = \"1GiB\"", "\"64MiB\""),
        ("[log]\nlevel = \"inof\"", "\"inof\" is not a level"),
        ("[log]\nlevel = \"info,portcullis=loud\"", "\"portcullis=loud\" is not a level"),
        // The filter's own parser panics on this one.
        ("[log]\nlevel = \" [\u{1F300}{\"", "is not a level"),
        ("[log]\nlevel = \"\"", "is not a level"),
        ("[log]\nformat = \"xml\"", "\"auto\", \"text\", \"json\""),
        ("[server]\ntrusted_proxies = [\"10.0.0.1/8\"]", "10.0.0.0/8"),
        ("[server]\nnotice = \"a\\nb\"", "plain ASCII characters without quotes and backslashes, or \"none\""),
        ("[server]\nmax_requests = 15", "15 is out of bounds: choose between 16 and 1000000"),
        ("[server]\nkeep_alive = \"0s\"", "between \"1s\" and \"1h\""),
        ("[server]\nminimum_rate = \"2MiB\"", "between \"0B\" and \"1MiB\""),
        ("[storage]\nupload_expiry = \"31d\"", "between \"1h\" and \"30d\""),
        ("[auth]\nrefresh_token_lifetime = \"59m\"", "between \"1h\" and \"365d\", or \"none\""),
        ("[auth]\nfailures_per_address = 1001", "between 0 and 1000"),
        ("[limits]\nmanifest_descriptors = 4294967296", "not a whole number from 0 to 4294967295"),
    ] {
        let error = only(text);
        assert!(error.starts_with("/etc/c.toml:2: ") && error.contains(says), "{error}");
    }
    for edge in [
        "[auth]\ntoken_lifetime = \"60s\"",
        "[limits]\npage_size = 1\nblob_size = \"1MiB\"",
        "[log]\nlevel = \"warn,hyper=off\"",
    ] {
        assert!(load(edge, &[]).is_ok(), "{edge}");
    }
}

#[test]
fn the_proxy_protocol_needs_to_know_the_proxies() {
    let error = only("[server]\nproxy_protocol = true\n");
    assert!(error.contains("/etc/c.toml:2: server.proxy_protocol: server.trusted_proxies is missing"), "{error}");
    let text = "[server]\nproxy_protocol = true\ntrusted_proxies = [\"10.0.0.1\"]\n";
    assert!(load(text, &[]).unwrap().config.server.proxy_protocol);
}

#[test]
fn certificate_and_key_come_together() {
    let error = only("[tls]\ncertificate = \"/c.pem\"\n");
    assert_eq!(error, "/etc/c.toml:2: tls.certificate: tls.private_key is missing: set both or none");
    assert!(only("[tls]\nprivate_key = \"/k.pem\"\n").contains("tls.certificate is missing"));
    let loaded = load("[tls]\ncertificate = \"c.pem\"\nprivate_key = \"../k.pem\"\n", &[]).unwrap();
    let pair = loaded.config.tls.pair().unwrap();
    assert_eq!(pair.certificate, Path::new("/etc/c.pem"));
    assert!(pair.private_key.starts_with("/etc"));
}

#[test]
fn all_errors_come_at_once() {
    let text = "typo = 1\n[server]\nlisten = 1\nhosts = [\"*\"]\n[auth]\nchallange = \"basic\"\n";
    let errors = errors(text, &[("PORTCULLIS_LOG_FORMAT", "xml"), ("PORTCULLIS_TLS_CERT", "x")]);
    assert_eq!(errors.len(), 6, "{errors:#?}");
    for (error, line) in errors.iter().zip([1, 3, 4, 6]) {
        assert!(error.starts_with(&format!("/etc/c.toml:{line}: ")), "{errors:#?}");
    }
}

#[test]
fn a_hidden_value_is_checked_too() {
    let errors = errors("[log]\nformat = \"xml\"\n", &[("PORTCULLIS_LOG_FORMAT", "json")]);
    assert!(errors[0].starts_with("/etc/c.toml:2: log.format"), "{errors:?}");
}

#[test]
fn an_invalid_file_does_not_hide_a_wrong_variable() {
    let errors = errors("[server\n", &[("PORTCULLIS_LOG_FORMAT", "xml")]);
    assert!(errors[0].starts_with("/etc/c.toml:1: not TOML"), "{errors:?}");
    assert!(errors[1].starts_with("environment PORTCULLIS_LOG_FORMAT: log.format"), "{errors:?}");
}

#[test]
fn an_unknown_variable_of_a_section_names_the_nearest() {
    let errors = errors("", &[("PORTCULLIS_SERVER_LISTEM", "x")]);
    let expected =
        "unknown environment variable PORTCULLIS_SERVER_LISTEM; the nearest known one is PORTCULLIS_SERVER_LISTEN";
    assert_eq!(errors, [expected]);
}

#[test]
fn an_unknown_variable_of_ours_is_a_warning_and_a_service_link_is_not() {
    let links = [("PORTCULLIS_SERVICE_HOST", "10.0.0.1"), ("PORTCULLIS_PORT_5000_TCP", "tcp://10.0.0.1:5000")];
    assert!(load("", &links).unwrap().warnings.is_empty());
    let warnings = load("", &[("PORTCULLIS_HOST", "a")]).unwrap().warnings;
    assert!(warnings[0].ends_with("the nearest known one is PORTCULLIS_HOSTS"), "{warnings:?}");
}

#[test]
fn the_short_and_the_long_variable_exclude_each_other() {
    let errors = errors("", &[("PORTCULLIS_HOSTS", "a"), ("PORTCULLIS_SERVER_HOSTS", "b")]);
    assert!(errors[0].contains("PORTCULLIS_SERVER_HOSTS is set as well"), "{errors:?}");
}

#[test]
fn without_a_home_a_data_directory_must_be_named() {
    let homeless = Environment::of_variables::<&str, &str>([]);
    let errors = Config::load(&Overrides::default(), &homeless).unwrap_err();
    assert!(matches!(errors.iter().next(), Some(ConfigError::NoDataDir)));
    assert!(errors.to_string().contains("--data"));
    let overrides = Overrides { data: Some("/d".into()), ..Overrides::default() };
    assert_eq!(Config::load(&overrides, &homeless).unwrap().config.data_dir, Path::new("/d"));
}

#[test]
fn a_flag_that_is_not_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let data = std::ffi::OsString::from_vec(b"/d\xff".to_vec());
    let overrides = Overrides { data: Some(data.into()), ..Overrides::default() };
    let errors = Config::load(&overrides, &Environment::default()).unwrap_err();
    assert_eq!(errors.to_string(), "flag --data: data_dir: the path is not UTF-8: choose another");
}

#[test]
fn an_empty_host_is_refused_since_a_script_lost_its_variable() {
    let overrides = Overrides { data: Some("/d".into()), hosts: vec![String::new()], ..Overrides::default() };
    let errors = Config::load(&overrides, &Environment::default()).unwrap_err();
    assert_eq!(errors.to_string(), "flag --host: server.hosts: the name is empty: write --host NAME");
}

#[test]
fn a_flood_of_unknown_keys_is_cut_short() {
    use std::fmt::Write;
    let mut text = String::new();
    for n in 0..5_000 {
        writeln!(text, "k{n} = 1\n[s{n}]\na = 1\n[server.x{n}]").unwrap();
    }
    assert!(errors(&text, &[]).len() <= 40);
}

/// Text that gets past the parser often enough to reach the keys.
fn toml_like() -> impl Strategy<Value = String> {
    let key =
        prop_oneof!["[a-z_]{1,8}", Just("listen".to_owned()), Just("hosts".to_owned()), Just("data_dir".to_owned())];
    let value =
        prop_oneof!["-?[0-9]{1,20}", "'[^'\n]{0,12}'", "\\[('[a-z:]{0,4}',){0,3}\\]", "true|1.5|\\{\\}|2020-01-01"];
    let line = prop_oneof![
        (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
        "\\[(server|tls|auth|log|limits|[a-z.]{1,6})\\]",
        ".{0,10}",
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_level_panics(level in "((off|info|trace|[a-z_:=-]{0,6}),?){0,4}") {
        let _ = load("", &[("PORTCULLIS_LOG_LEVEL", &level)]);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Config::parse(Path::new("c"), &bytes, &Overrides::default(), &Environment::default());
    }

    #[test]
    fn no_toml_panics_and_every_error_is_one_line(text in toml_like()) {
        let (flags, environment) = (Overrides::default(), Environment::default());
        if let Err(errors) = Config::parse(Path::new("c"), text.as_bytes(), &flags, &environment) {
            for error in errors.iter() {
                prop_assert!(!error.to_string().contains('\n'), "{}", error);
            }
        }
    }

    #[test]
    fn no_variable_panics(name in "PORTCULLIS_(SERVER|TLS|AUTH|LOG)_[A-Z_]{0,10}", value in any::<String>()) {
        let known = ["PORTCULLIS_SERVER_LISTEN", "PORTCULLIS_SERVER_HOSTS", "PORTCULLIS_LOG_LEVEL", "PORTCULLIS_DATA"];
        let variables = known.iter().map(|known| (*known, value.as_str())).chain([(name.as_str(), value.as_str())]);
        let _ = Config::load(&Overrides::default(), &Environment::of_variables(variables));
    }
}

#[test]
fn acme_needs_agreement_and_names_that_others_can_reach() {
    let acme = "[acme]\ndirectory = \"https://ca.test/dir\"\n";
    let hosts = "[server]\nhosts = [\"registry.test\"]\n";
    assert!(only(&format!("{acme}{hosts}")).contains("/etc/c.toml:2: acme.directory: an authority issues"));
    let agreed = format!("{acme}terms_agreed = true\n");
    assert!(only(&agreed).contains("/etc/c.toml:2: acme.directory: server.hosts is empty"));
    for host in ["localhost", "127.0.0.1", "::1", "a.localhost"] {
        let error = only(&format!("{agreed}[server]\nhosts = [\"registry.test\", \"{host}\"]\n"));
        assert!(error.contains(&format!("no authority can reach {host}")), "{error}");
    }
    let given = format!("{agreed}{hosts}[tls]\ncertificate = \"a\"\nprivate_key = \"b\"\n");
    assert!(only(&given).contains("tls.certificate is set as well"));
    let loaded = load(&format!("{agreed}{hosts}"), &[]).expect("right");
    assert_eq!(loaded.config.acme.directory.as_deref(), Some("https://ca.test/dir"));
}
