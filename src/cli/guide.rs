//! `portcullis guide`: the operator's guide, compiled in, so that it is at hand where no network is and describes this version.
//!
//! Each topic is one Markdown file in `src/guide`: a line with its title, an empty line, a line that sums it up, and the text.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};
use serde_json::{Value, json};

use super::output::Output;

/// One file of the guide.
#[derive(Debug)]
struct Topic {
    name: &'static str,
    text: &'static str,
}

macro_rules! topics {
    ($($name:literal),+ $(,)?) => {
        /// In the order in which a newcomer reads them.
        const TOPICS: &[Topic] =
            &[$(Topic { name: $name, text: include_str!(concat!("../guide/", $name, ".md")) }),+];
    };
}

topics![
    "start",
    "clients",
    "trust",
    "users",
    "permissions",
    "passwords",
    "client-certificates",
    "tls",
    "ca",
    "acme",
    "repositories",
    "storage",
    "configuration",
    "files",
    "proxies",
    "limits",
    "systemd",
    "containers",
    "kubernetes",
    "doctor",
    "monitoring",
    "backup",
    "upgrade",
];

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The topic to print; without one, the topics are listed
    #[arg(value_parser = TopicParser)]
    topic: Option<&'static Topic>,
}

pub(super) fn run(args: &Args, output: &Output) -> anyhow::Result<()> {
    let Some(topic) = args.topic else { return list(output) };
    output.document(topic.text, &json!({ "topic": topic.name, "title": topic.title(), "text": topic.text }))
}

fn list(output: &Output) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> =
        TOPICS.iter().map(|topic| vec![topic.name.to_owned(), topic.summary().to_owned()]).collect();
    let json = TOPICS
        .iter()
        .map(|topic| json!({ "topic": topic.name, "title": topic.title(), "summary": topic.summary() }))
        .collect::<Value>();
    output.table(&["TOPIC", "ABOUT"], &rows, &json)
}

impl Topic {
    fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }

    fn summary(&self) -> &'static str {
        self.text.lines().nth(2).unwrap_or_default()
    }
}

/// Refuses an unknown topic as wrong usage and names the nearest one; tells help and completions which topics there are.
#[derive(Clone)]
struct TopicParser;

impl TypedValueParser for TopicParser {
    type Value = &'static Topic;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<Self::Value, Error> {
        let given = value.to_string_lossy();
        TOPICS.iter().find(|topic| topic.name == given).ok_or_else(|| {
            let text = format!(
                "unknown topic '{given}'; the nearest one is '{}'; `portcullis guide` lists all\n",
                nearest(&given)
            );
            Error::raw(ErrorKind::InvalidValue, text).with_cmd(command)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(TOPICS.iter().map(|topic| PossibleValue::new(topic.name).help(topic.summary()))))
    }
}

fn nearest(given: &str) -> &'static str {
    let distance = |topic: &&Topic| strsim::damerau_levenshtein(given, topic.name);
    TOPICS.iter().min_by_key(distance).map_or("start", |topic| topic.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_has_a_title_and_a_line_that_sums_it_up() {
        for topic in TOPICS {
            let head: Vec<&str> = topic.text.lines().take(4).collect();
            let [title, "", summary, ""] = head[..] else { panic!("{} begins with {head:?}", topic.name) };
            assert!(title.strip_prefix("# ").is_some_and(|title| !title.is_empty()), "{}: {title}", topic.name);
            assert!(summary.ends_with('.') && summary.len() <= 80, "{}: {summary}", topic.name);
        }
    }

    #[test]
    fn a_slip_finds_its_topic() {
        for (given, topic) in
            [("tsl", "tls"), ("mtls", "tls"), ("password", "passwords"), ("certificates", "client-certificates")]
        {
            assert_eq!(nearest(given), topic);
        }
    }
}
