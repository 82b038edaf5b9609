//! Whether files have changed and are at rest: a change counts when it was seen twice, so that no file is read half-written and no pair
//! half-replaced.

use super::job::Cause;

/// Compares the state of files from run to run.
pub(super) struct Change<S> {
    /// The state that was acted on last; at first none, for the files may have changed since the server read them.
    handled: Option<S>,
    /// A state that differs and has been seen once.
    seen_once: Option<S>,
}

impl<S: PartialEq + Clone> Change<S> {
    pub(super) fn new() -> Self {
        Self { handled: None, seen_once: None }
    }

    /// Whether to act on this state; at once where that was asked for, changed or not.
    pub(super) fn is_settled(&mut self, state: &S, cause: Cause) -> bool {
        if cause == Cause::Asked {
            return true;
        }
        let changed = self.handled.as_ref() != Some(state);
        let settled = changed && self.seen_once.as_ref() == Some(state);
        self.seen_once = (changed && !settled).then(|| state.clone());
        settled
    }

    /// Notes that this state was acted on; gives whether it was the first.
    pub(super) fn handled(&mut self, state: S) -> bool {
        self.seen_once = None;
        self.handled.replace(state).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_when_seen_twice_and_at_once_when_asked() {
        let mut change = Change::new();
        let mut acts = |state: u8, cause| change.is_settled(&state, cause).then(|| change.handled(state));
        assert_eq!([acts(1, Cause::Due), acts(1, Cause::Due), acts(1, Cause::Due)], [None, Some(true), None]);
        assert_eq!([acts(2, Cause::Due), acts(3, Cause::Due), acts(3, Cause::Due)], [None, None, Some(false)]);
        assert_eq!([acts(4, Cause::Due), acts(3, Cause::Due), acts(4, Cause::Due)], [None; 3], "back in between");
        assert_eq!([acts(3, Cause::Asked), acts(5, Cause::Asked)], [Some(false); 2]);
        assert_eq!([acts(5, Cause::Due), acts(5, Cause::Due)], [None; 2]);
    }
}
