//! Finds settings that no key reads: a typing error must not silently leave a default in force.

use toml::de::{DeTable, DeValue};

use super::{
    document::Document,
    environment::{Environment, PREFIX},
    error::ConfigError,
    nearest::nearest,
    provenance::Source,
    reader::{ALIASES, variable},
    sections::SECTIONS,
    service_link,
};

/// The variable that names the configuration file; it is not a key.
pub(super) const FILE_VARIABLE: &str = "PORTCULLIS_CONFIG";

/// The most unknown keys that are reported for one file.
const REPORTED: usize = 20;

/// The unknown keys and sections of a file.
pub(super) fn in_document(document: &Document<'_>, known: &[String]) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for (name, at, value) in document.top() {
        match value {
            DeValue::Table(table) if SECTIONS.contains(&name) => {
                errors.extend(in_section(document, name, table, known).into_iter().take(REPORTED));
            }
            _ if SECTIONS.contains(&name) => errors.push(ConfigError::Value {
                at,
                key: name.to_owned(),
                problem: format!("this is a section: write [{name}] on a line of its own, its keys below"),
            }),
            _ if known.iter().any(|key| key == name) => {}
            _ => errors.push(unknown_key(name.to_owned(), at, known)),
        }
        if errors.len() >= REPORTED {
            break;
        }
    }
    errors
}

/// Those of one section, and of the sections that are part of it.
fn in_section(document: &Document<'_>, name: &str, table: &DeTable<'_>, known: &[String]) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for (key, at, value) in document.items(table) {
        let key = format!("{name}.{key}");
        match value {
            DeValue::Table(table) if SECTIONS.contains(&key.as_str()) => {
                errors.extend(in_section(document, &key, table, known));
            }
            _ if known.contains(&key) => {}
            _ => errors.push(unknown_key(key, at, known)),
        }
    }
    errors
}

fn unknown_key(key: String, at: Source, known: &[String]) -> ConfigError {
    let candidates = known.iter().map(String::as_str).chain(SECTIONS.iter().copied());
    let nearest = nearest(&key, candidates).to_owned();
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let key = if key.chars().all(bare) { key } else { super::setting::quoted(&key) };
    ConfigError::UnknownKey { at, key, nearest }
}

/// The variables that start like a section's and set no key, and those that are not UTF-8.
pub(super) fn in_environment(environment: &Environment, known: &[String]) -> Vec<ConfigError> {
    let known = variables(known);
    let errors =
        unknown(environment, &known).filter(|name| of_a_section(name)).map(|name| ConfigError::UnknownVariable {
            variable: name.to_owned(),
            nearest: nearest(name, known.iter().map(String::as_str)).to_owned(),
        });
    let not_text = environment.not_text().map(|name| ConfigError::Value {
        at: Source::Environment { name: name.to_owned() },
        key: name.to_owned(),
        problem: "the value is not UTF-8".to_owned(),
    });
    errors.chain(not_text).collect()
}

/// Variables with our prefix that set nothing and may belong to another program: a warning, not an error.
pub(super) fn warnings(environment: &Environment, known: &[String]) -> Vec<String> {
    let known = variables(known);
    let ours = unknown(environment, &known).filter(|name| !of_a_section(name));
    ours.map(|name| {
        let nearest = nearest(name, known.iter().map(String::as_str));
        format!("environment variable {name} sets nothing; the nearest known one is {nearest}")
    })
    .collect()
}

/// The variables that set nothing, without those that Kubernetes has set.
fn unknown<'e>(environment: &'e Environment, known: &'e [String]) -> impl Iterator<Item = &'e str> {
    let is_link = |name: &str| environment.get(name).is_some_and(|value| service_link::is_service_link(name, value));
    environment.names().filter(move |name| !known.iter().any(|known| known == name) && !is_link(name))
}

fn variables(known: &[String]) -> Vec<String> {
    let short = ALIASES.iter().map(|(short, _)| (*short).to_owned());
    known.iter().map(|key| variable(key)).chain(short).chain([FILE_VARIABLE.to_owned()]).collect()
}

fn of_a_section(name: &str) -> bool {
    SECTIONS.iter().any(|section| {
        let rest = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix(&section.to_ascii_uppercase()));
        rest.is_some_and(|rest| rest.starts_with('_'))
    })
}
