//! The database: whether it opens, is whole, and fits this program.

use std::time::Duration;

use super::{Holder, Subject};
use crate::doctor::finding::Finding;
use crate::node::stores::inspect_metadata;

const CHECK: &str = "database";
/// A large database takes its time.
const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) async fn check(subject: &Subject) -> Vec<Finding> {
    let path = subject.data.database();
    let shown = path.display();
    let why = "every request needs it";
    if !path.exists() {
        let mend = format!("restore {shown} from a backup");
        return vec![Finding::problem(CHECK, format!("{shown} is not there"), why, mend)];
    }
    let looked = inspect_metadata(&subject.config, matches!(subject.holder, Holder::Nobody));
    let Ok(inspected) = tokio::time::timeout(PATIENCE, looked).await else {
        return vec![Finding::unknown(CHECK, format!("{shown} took longer than {} s to read", PATIENCE.as_secs()))];
    };
    let mend = format!("stop the server, then restore {shown} from a backup");
    let finding = match inspected {
        Err(error) => Finding::problem(CHECK, format!("{shown} cannot be read: {error}"), why, mend),
        Ok(seen) if !seen.faults.is_empty() => {
            Finding::problem(CHECK, format!("{shown} is damaged: {}", seen.faults.join("; ")), why, mend)
        }
        Ok(seen) => match seen.schema {
            None => Finding::problem(CHECK, format!("{shown} holds no database of this program"), why, mend),
            Some(schema) if schema > seen.known => Finding::problem(
                CHECK,
                format!(
                    "a newer version of this program wrote {shown} (schema {schema}; this one knows up to {})",
                    seen.known
                ),
                "this version does not start with it",
                "start that newer version, or restore a backup made before the upgrade",
            ),
            Some(schema) if schema < seen.known => Finding::warning(
                CHECK,
                format!("{shown} has the schema {schema}; the next start brings it to {}", seen.known),
                "an older version cannot read it any more after that",
                "make a backup before the next start",
            ),
            Some(schema) => Finding::ok(CHECK, format!("{shown} is whole, schema {schema}")),
        },
    };
    vec![finding]
}
