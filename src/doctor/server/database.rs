//! The database: whether it opens, is intact, and fits this version.

use std::future::Future;
use std::time::Duration;

use super::Subject;
use crate::doctor::finding::Finding;
use crate::storage::StorageError;
use crate::storage::metadata::{Inspection, SchemaStatus};

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
        Ok(seen) if seen.schema.schema.is_none() => {
            Finding::problem(CHECK, format!("{shown} is not a database of this program"), why, fix)
        }
        Ok(seen) => version(&shown, &seen.schema),
    };
    vec![finding]
}

/// The schema of the database, and what this version knows of it.
fn version(shown: &str, found: &SchemaStatus) -> Finding {
    let (schema, known) = (found.schema.unwrap_or_default(), found.known);
    if found.refuses() {
        return Finding::problem(
            CHECK,
            format!(
                "{shown} was finalized by a newer version ({}; it needs schema {}, this version knows schemas up to {known})",
                found.min_version, found.min_schema
            ),
            "this version does not start with that database",
            "run the newer version, or return to a backup made before `portcullis migrate finalize`",
        );
    }
    if !found.pending.is_empty() {
        return Finding::warning(
            CHECK,
            format!("{shown} has schema {schema}; the next start upgrades it to {known}"),
            "the version before can still read it after that, until `portcullis migrate finalize`",
            "make a backup before the next start",
        );
    }
    if !found.unknown.is_empty() {
        return Finding::ok(CHECK, format!("{shown} is intact, schema {schema}, which a newer version has expanded"));
    }
    if !found.to_finalize.is_empty() {
        return Finding::ok(
            CHECK,
            format!(
                "{shown} is intact, schema {schema}; once every node runs this version: portcullis migrate finalize"
            ),
        );
    }
    Finding::ok(CHECK, format!("{shown} is intact, schema {schema}"))
}
