//! What `portcullis retention preview` shows.

use serde_json::{Value, json};

use super::output::{aligned, bytes, date};
use crate::admin::{Previewed, PreviewedRepository, Row};

/// A table with a line for each tag and untagged manifest, and what it comes to.
pub(super) fn text(previewed: &Previewed) -> String {
    if previewed.rows().next().is_none() {
        return "no rule decides about anything: see `portcullis retention list`\n".to_owned();
    }
    let lines =
        previewed.repositories.iter().flat_map(|repository| repository.rows.iter().map(|row| line(repository, row)));
    let lines: Vec<Vec<String>> = lines.collect();
    let table = aligned(&["REPOSITORY", "TAG", "PUSHED", "LAST PULL", "RULE", "OUTCOME", "REASON"], &lines);
    let ((tags, manifests), rows) = (previewed.removed(), lines.len());
    let freed = bytes(previewed.bytes_freed);
    format!(
        "{table}\n{tags} tags and {manifests} untagged manifests of {rows} would be removed; {freed} are freed once the trash is emptied \
         of them\n"
    )
}

fn line(repository: &PreviewedRepository, row: &Row) -> Vec<String> {
    let short = |text: &str| text.chars().take(19).collect::<String>();
    let tag = row.tag.as_ref().map_or_else(|| format!("@{}", short(row.digest.as_str())), ToString::to_string);
    vec![
        repository.name.to_string(),
        tag,
        time(Some(row.pushed_at).filter(|at| *at > 0), "unknown"),
        time(row.pulled_at, "-"),
        row.decision.rule.map_or_else(|| "-".to_owned(), |rule| rule.to_string()),
        outcome(row).to_owned(),
        row.decision.reason.to_string(),
    ]
}

fn time(at: Option<i64>, otherwise: &str) -> String {
    at.map_or_else(|| otherwise.to_owned(), date)
}

fn outcome(row: &Row) -> &'static str {
    if row.decision.is_kept { "keep" } else { "remove" }
}

/// The same for programs.
pub(super) fn to_json(previewed: &Previewed) -> Value {
    let row = |row: &Row| {
        json!({
            "tag": row.tag.as_ref().map(ToString::to_string),
            "digest": row.digest.as_str(),
            "pushed_at": Some(row.pushed_at).filter(|at| *at > 0).map(date),
            "pulled_at": row.pulled_at.map(date),
            "rule": row.decision.rule,
            "outcome": outcome(row),
            "reason": row.decision.reason.to_string(),
        })
    };
    let repository = |repository: &PreviewedRepository| {
        json!({
            "name": repository.name.as_str(),
            "decisions": repository.rows.iter().map(row).collect::<Vec<_>>(),
            "bytes_freed": repository.bytes_freed,
        })
    };
    let (tags, manifests) = previewed.removed();
    json!({
        "repositories": previewed.repositories.iter().map(repository).collect::<Vec<_>>(),
        "removed_tags": tags,
        "removed_manifests": manifests,
        "bytes_freed": previewed.bytes_freed,
    })
}
