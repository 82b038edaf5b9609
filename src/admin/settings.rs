//! What the operator decides that administration needs to know.

/// The settings of [`super::Administration`]: the same values that authentication works with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdminSettings {
    /// Whether a user owns `NAME/**`.
    pub(crate) personal_namespaces: bool,
    /// How many failed logins an account takes in 24 hours before it is locked; 0: any number.
    pub(crate) failures_per_account: u32,
}
