//! `portcullis guide`: prints the operator's guide.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};
use serde_json::{Value, json};

use super::output::Output;
use crate::guide::{TOPICS, Topic};

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

/// Refuses an unknown topic as wrong usage and names the nearest one; tells help and completions which topics exist.
#[derive(Clone)]
struct TopicParser;

impl TypedValueParser for TopicParser {
    type Value = &'static Topic;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<Self::Value, Error> {
        let given = value.to_string_lossy();
        Topic::named(&given).ok_or_else(|| {
            let nearest = Topic::nearest(&given).map_or("start", |topic| topic.name);
            let text =
                format!("unknown topic '{given}'; the nearest one is '{nearest}'; `portcullis guide` lists all\n");
            Error::raw(ErrorKind::InvalidValue, text).with_cmd(command)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(TOPICS.iter().map(|topic| PossibleValue::new(topic.name).help(topic.summary()))))
    }
}
