//! The database: whether it opens, is intact, and fits this version.

use std::cmp::Ordering;
use std::future::Future;
use std::time::Duration;

use super::Subject;
use crate::doctor::finding::Finding;
use crate::storage::StorageError;
use crate::storage::metadata::Inspection;

const CHECK: &str = "database";
/// A large database takes a while.
const PATIENCE: Duration = Duration::from_mins(2);

pub(super) async fn check(
    subject: &Subject,
    inspection: impl Future<Output = Result<Inspection, StorageError>>,
) -> Vec<Finding> {
    let path = &subject.data.database;
    let why = "no request works without it";
    let (shown, fix) = match &subject.config.database.url {
        Some(url) => (url.to_string(), "start the server, or correct [database] in the configuration".to_owned()),
        None => (path.display().to_string(), format!("stop the server, then restore {} from a backup", path.display())),
    };
    if subject.config.database.url.is_none() && !path.exists() {
        let fix = format!("restore {shown} from a backup");
        return vec![Finding::problem(CHECK, format!("{shown} does not exist"), why, fix)];
    }
    let Ok(inspected) = tokio::time::timeout(PATIENCE, inspection).await else {
        return vec![Finding::unknown(CHECK, format!("checking {shown} took longer than {} s", PATIENCE.as_secs()))];
    };
    let finding = match inspected {
        Err(error) => Finding::problem(CHECK, format!("{shown} cannot be read: {error}"), why, fix),
        Ok(seen) if !seen.faults.is_empty() => {
            Finding::problem(CHECK, format!("{shown} is damaged: {}", seen.faults.join("; ")), why, fix)
        }
        Ok(seen) => match seen.schema {
            None => Finding::problem(CHECK, format!("{shown} is not a database of this program"), why, fix),
            Some(schema) => version(&shown, schema, seen.known),
        },
    };
    vec![finding]
}

/// The schema of the database against the newest that this version knows.
fn version(shown: &str, schema: i64, known: i64) -> Finding {
    match schema.cmp(&known) {
        Ordering::Greater => Finding::problem(
            CHECK,
            format!(
                "{shown} was written by a newer version (schema {schema}; this version knows schemas up to {known})"
            ),
            "this version does not start with that database",
            "run the newer version, or restore a backup made before the upgrade",
        ),
        Ordering::Less => Finding::warning(
            CHECK,
            format!("{shown} has schema {schema}; the next start upgrades it to {known}"),
            "an older version can no longer read it after that",
            "make a backup before the next start",
        ),
        Ordering::Equal => Finding::ok(CHECK, format!("{shown} is intact, schema {schema}")),
    }
}
