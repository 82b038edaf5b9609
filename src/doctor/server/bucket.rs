//! The bucket: whether it can be used, and what of all that is needed the object store does.

use std::future::Future;

use crate::doctor::finding::Finding;
use crate::storage::StorageError;
use crate::storage::blobs::s3::{Step, Tried};

const CHECK: &str = "s3";

/// All findings about the bucket. `trial` is `None` if blobs are kept on the disk.
pub(crate) async fn check(trial: Option<impl Future<Output = Result<Tried, StorageError>>>) -> Vec<Finding> {
    let Some(trial) = trial else {
        return vec![Finding::ok(CHECK, "not needed: blobs are stored on the disk (blobs.store)")];
    };
    let trial = match trial.await {
        Ok(trial) => trial,
        Err(error) => {
            let fix = "correct [blobs.s3] in the configuration";
            return vec![Finding::problem(CHECK, error.to_string(), "the server does not start with it", fix)];
        }
    };
    if let Some(unusable) = trial.unusable {
        let why = "no blob can be pushed or pulled without it";
        return vec![Finding::problem(CHECK, unusable.what, why, unusable.fix)];
    }
    trial.steps.into_iter().map(|(step, outcome)| of_step(step, outcome)).collect()
}

fn of_step(step: Step, outcome: Result<String, String>) -> Finding {
    let error = match outcome {
        Ok(what) => return Finding::ok(CHECK, what),
        Err(error) => error,
    };
    let (why, fix) = consequence(step);
    match step {
        Step::WrongPart | Step::ListUploads | Step::Versions => Finding::warning(CHECK, error, why, fix),
        _ => Finding::problem(CHECK, error, why, fix),
    }
}

/// Why a step matters, and what to do where it fails.
fn consequence(step: Step) -> (&'static str, &'static str) {
    let rights = "grant the rights that `portcullis guide s3` lists, or use an object store that can";
    match step {
        Step::Objects => ("blobs are objects", rights),
        Step::Ranges => ("clients resume downloads, and read parts of images", rights),
        Step::Removal => ("the bucket would only grow", rights),
        Step::Multipart => ("blobs larger than blobs.s3.part_size are sent in parts", rights),
        Step::Abort => ("parts of uploads that were given up would stay", rights),
        Step::List => ("what a crash leaves of uploads is found by listing, once a day", rights),
        Step::WrongPart => (
            "if two nodes send different bytes for one upload, the wrong ones could be stored",
            "use another object store where clients send uploads in chunks",
        ),
        Step::Versions => (
            "garbage collection frees no space",
            "switch versioning off for the bucket, or let a lifecycle rule remove versions that are not current",
        ),
        Step::ListUploads => (
            "parts of uploads that a crash interrupts cannot be found, and cost space",
            "set a lifecycle rule on the bucket that aborts multipart uploads after 7 days",
        ),
        Step::Redirect => (
            "clients that are redirected cannot pull",
            "correct blobs.s3.public_endpoint, or set blobs.s3.redirect to \"never\"",
        ),
        Step::Clock => (
            "object stores refuse requests that are signed more than a few minutes before or after their own time",
            "set the clock: timedatectl set-ntp true",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn what_a_store_lacks_is_said_with_what_follows_from_it() {
        let state = |step| of_step(step, Err("it does not".to_owned())).state;
        assert_eq!((state(Step::Multipart), state(Step::ListUploads)), (State::Problem, State::Warning));
        let fine = of_step(Step::Ranges, Ok("ranges are exact".to_owned()));
        assert_eq!((fine.state, fine.what.as_str()), (State::Ok, "ranges are exact"));
        let lacks = of_step(Step::ListUploads, Err("NotImplemented".to_owned()));
        assert!(lacks.fix.is_some_and(|fix| fix.contains("lifecycle rule")));
    }
}
