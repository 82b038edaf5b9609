//! Which room may know which. Dependencies point down only.

use std::collections::{BTreeMap, BTreeSet};

use super::house::{House, room_of};
use super::to_go;

/// Each room and what it may name, from the top of the house to its ground.
const ALLOWED: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "admin",
            "auth",
            "client",
            "config",
            "doctor",
            "domain",
            "guide",
            "jobs",
            "node",
            "pki",
            "registry",
            "telemetry",
            "trust",
        ],
    ),
    ("doctor", &["client", "config", "domain", "pki", "storage", "trust"]),
    (
        "node",
        &[
            "admin",
            "auth",
            "client",
            "config",
            "domain",
            "http",
            "jobs",
            "pki",
            "registry",
            "server",
            "storage",
            "telemetry",
            "tls",
            "trust",
        ],
    ),
    ("server", &["config", "domain", "pki", "telemetry", "tls"]),
    ("http", &["admin", "auth", "config", "domain", "registry", "telemetry", "trust"]),
    ("jobs", &["admin", "auth", "config", "domain", "pki", "registry", "storage", "telemetry", "tls"]),
    ("admin", &["auth", "config", "domain", "registry", "storage"]),
    ("registry", &["auth", "config", "domain", "storage"]),
    ("auth", &["config", "domain", "storage"]),
    ("storage", &["domain"]),
    ("trust", &["client", "domain", "pki", "tls"]),
    ("tls", &["config", "domain", "pki"]),
    ("pki", &["client", "config", "domain"]),
    ("client", &["domain"]),
    ("telemetry", &["config", "domain"]),
    ("config", &["domain"]),
    ("guide", &[]),
    ("domain", &[]),
    ("lib", &[]),
];

type Edge = (String, String);

/// Every edge between two rooms, and where it is drawn. Tests in `src` are asked for separately.
fn edges(house: &House, in_tests: bool) -> BTreeMap<Edge, BTreeSet<String>> {
    let mut found: BTreeMap<Edge, BTreeSet<String>> = BTreeMap::new();
    for file in &house.files {
        let room = room_of(&file.name);
        for mention in file.mentions.iter().filter(|mention| mention.in_tests == in_tests) {
            let Some(written) = house.meaning(mention, false) else { continue };
            let meant = house.meaning(mention, true).unwrap_or_default();
            let path = format!("{}:{}: {}", file.name, mention.line, mention.segments.join("::"));
            let reexported = meant.first() != written.first();
            for (meaning, place) in
                [(written, path.clone()), (meant, if reexported { format!("{path} by a re-export") } else { path })]
            {
                if let Some(other) = meaning.first().filter(|other| **other != room) {
                    found.entry((room.clone(), other.clone())).or_default().insert(place);
                }
            }
        }
    }
    found
}

/// What a room reaches by the table over any number of edges: tests next to the code may name that.
fn reach<'t>(allowed: &BTreeMap<&str, &'t [&'t str]>, room: &str) -> BTreeSet<&'t str> {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let mut left: Vec<&str> = allowed.get(room).map(|may| may.to_vec()).unwrap_or_default();
    while let Some(next) = left.pop() {
        if found.insert(next) {
            left.extend(allowed.get(next).copied().unwrap_or_default());
        }
    }
    found
}

/// What is wrong with these edges, by this table.
fn wrong(house: &House, allowed: &[(&str, &[&str])], to_go: &[(&str, &str)]) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = allowed.iter().copied().collect();
    let rooms: BTreeSet<String> = house.files.iter().map(|file| room_of(&file.name)).collect();
    let unknown = rooms.iter().filter(|room| !allowed.contains_key(room.as_str()));
    let mut found: Vec<String> = unknown.map(|room| format!("no rule is about the room {room}")).collect();
    let drawn = edges(house, false);
    for (in_tests, edges) in [(false, &drawn), (true, &edges(house, true))] {
        for ((from, to), places) in edges {
            let may = if in_tests {
                reach(&allowed, from).contains(to.as_str())
            } else {
                allowed.get(from.as_str()).is_some_and(|may| may.contains(&to.as_str()))
            };
            if !may && !to_go.contains(&(from, to)) {
                let places: Vec<&str> = places.iter().map(String::as_str).collect();
                found.push(format!("{from} must not name {to}:\n  {}", places.join("\n  ")));
            }
        }
    }
    found
}

/// Exceptions of which nothing is left.
fn gone(house: &House, to_go: &[(&str, &str)]) -> Vec<String> {
    let drawn = edges(house, false);
    let gone = to_go.iter().filter(|(from, to)| !drawn.contains_key(&((*from).to_owned(), (*to).to_owned())));
    gone.map(|(from, to)| format!("{from} -> {to} is gone: remove it from to_go.rs")).collect()
}

#[test]
fn dependencies_point_down_only() {
    let wrong = wrong(House::of_the_project(), ALLOWED, to_go::EDGES);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_exception_about_edges_is_left_over() {
    let gone = gone(House::of_the_project(), to_go::EDGES);
    assert!(gone.is_empty(), "{}", gone.join("\n"));
}

#[test]
fn the_table_itself_has_no_circle() {
    let mut left: Vec<_> = ALLOWED.to_vec();
    while !left.is_empty() {
        let names: BTreeSet<&str> = left.iter().map(|(room, _)| *room).collect();
        let before = left.len();
        left.retain(|(_, may)| may.iter().any(|other| names.contains(other)));
        assert!(left.len() < before, "in a circle: {names:?}");
    }
}

#[test]
fn what_the_house_may_never_do_is_not_in_the_table() {
    let may = |from: &str, to: &str| ALLOWED.iter().any(|(room, others)| *room == from && others.contains(&to));
    for (from, to) in
        [("http", "storage"), ("server", "http"), ("cli", "storage"), ("cli", "http"), ("storage", "auth")]
    {
        assert!(!may(from, to), "{from} -> {to}");
    }
    let config: Vec<_> = ALLOWED.iter().filter(|(room, _)| *room == "config").collect();
    assert_eq!(config, [&("config", ["domain"].as_slice())]);
}

/// What is wrong in a house of these files in which `top` may name `middle` and `middle` may name `ground`.
fn wrong_in(files: &[(&str, &str)], to_go: &[(&str, &str)]) -> String {
    let house = House::of(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect());
    let allowed: &[(&str, &[&str])] =
        &[("top", &["middle"]), ("middle", &["ground"]), ("ground", &[]), ("main", &["top"])];
    wrong(&house, allowed, to_go).join("\n")
}

#[test]
fn every_form_of_a_path_is_an_edge() {
    for text in [
        "use crate::ground::Thing;",
        "use crate::{middle, ground::{self}};",
        "use super::super::ground::Thing;",
        "pub(crate) use super::super::{ground as earth};",
        "fn f() -> crate::ground::Thing { loop {} }",
        "fn f() { println!(\"{}\", super::super::ground::thing()) }",
        "mod inner { fn f() { super::super::super::ground::thing() } }",
        "#[serde(with = \"crate::ground::thing\")] struct A;",
        "use crate as root; fn f() { root::ground::thing() }",
        "fn f<T: super::super::ground::Trait>() { let x = Vec::<crate::ground::Thing>::new(); }",
    ] {
        let files =
            [("src/top/file.rs", text), ("src/top/mod.rs", ""), ("src/middle/mod.rs", ""), ("src/ground/mod.rs", "")];
        let wrong = wrong_in(&files, &[]);
        assert!(wrong.starts_with("top must not name ground:\n  src/top/file.rs:1: "), "{text}: {wrong}");
    }
}

#[test]
fn a_reexport_hides_no_edge() {
    let ground = ("src/ground/mod.rs", "pub struct Thing; pub struct Other;");
    for (middle, top) in [
        ("pub use crate::ground::Thing;", "use crate::middle::Thing;"),
        ("pub use crate::ground::Thing as Renamed;", "use crate::middle::Renamed;"),
        ("pub use crate::ground::*;", "use crate::middle::Other;"),
        ("pub use crate::ground;", "use crate::middle::ground::Thing;"),
        ("pub use crate::ground::Thing;", "use crate::middle; fn f(_: middle::Thing) {}"),
        ("pub mod inner { pub use super::super::ground::Thing; }", "use crate::middle::inner::Thing;"),
    ] {
        let wrong = wrong_in(&[ground, ("src/middle/mod.rs", middle), ("src/top/mod.rs", top)], &[]);
        assert!(
            wrong.starts_with("top must not name ground") && wrong.contains("by a re-export"),
            "{middle} {top}: {wrong}"
        );
    }
}

#[test]
fn what_is_allowed_or_only_looks_like_a_path_is_not_an_edge() {
    let top = "//! [`crate::ground`]\nuse crate::middle::Own; use std::ground::Thing; // crate::ground\n\
               const TEXT: &str = \"see crate::ground\"; fn f() { ground::thing(); self::own(); Own::new() }";
    let files = [
        ("src/top/mod.rs", top),
        ("src/middle/mod.rs", "use crate::ground::Thing; pub struct Own;"),
        ("src/ground/mod.rs", "pub struct Thing;"),
        ("src/main.rs", "fn main() { portcullis::top::run() }"),
    ];
    assert_eq!(wrong_in(&files, &[]), "");
}

#[test]
fn a_room_without_a_rule_and_an_edge_that_is_gone_are_said() {
    assert!(wrong_in(&[("src/attic/mod.rs", "")], &[]).contains("no rule is about the room attic"));
    let ground = ("src/ground/mod.rs", "use crate::top::Thing;");
    assert_eq!(wrong_in(&[ground], &[("ground", "top")]), "");
    let house = House::of(vec![(ground.0.to_owned(), ground.1.to_owned())]);
    let gone = gone(&house, &[("ground", "top"), ("middle", "top")]);
    assert_eq!(gone, ["middle -> top is gone: remove it from to_go.rs"]);
}
