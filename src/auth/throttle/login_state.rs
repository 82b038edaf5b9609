//! The transitions of one login attempt. Each consumes the state before it, so a password cannot be verified that the limits did not
//! admit, nor an outcome be counted twice.

use std::time::Duration;

use super::account_limit::AccountState;
use super::address_limit::AddressState;
use crate::auth::credentials::PasswordOutcome;

/// What the limits say of an attempt before its password is verified.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Login {
    /// Neither its account nor its address is limited.
    Free,
    /// One of them is.
    Limited {
        /// When both are free.
        retry_after: Duration,
    },
}

/// Not verified: the limits say so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RateLimited {
    /// When the next attempt is worth it.
    pub(super) retry_after: Duration,
}

/// Admitted: the password may be verified.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) struct Verifying {
    limited: bool,
}

/// What came of the verification, and so what is to be written down.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Settled {
    /// To be counted, for the account and for the address.
    Wrong,
    /// The source is known from now on.
    Right {
        /// Whether the account's consecutive failures end.
        ends_consecutive: bool,
    },
}

impl Login {
    /// An attempt that comes at `now`, in seconds since the Unix epoch.
    pub(super) fn new(account: AccountState, address: AddressState, now: i64) -> Self {
        let account = account.until().map(|until| Duration::from_secs(until.saturating_sub(now).unsigned_abs()));
        let address = match address {
            AddressState::Free => None,
            AddressState::RateLimited { retry_after } => Some(retry_after),
        };
        account.max(address).map_or(Self::Free, |retry_after| Self::Limited { retry_after })
    }

    /// Admits an attempt that is free. One that is limited passes only with the password that is known from its source, which
    /// `is_known` tells; it is not asked about any other.
    pub(super) fn admit(self, is_known: impl FnOnce() -> bool) -> Result<Verifying, RateLimited> {
        match self {
            Self::Free => Ok(Verifying { limited: false }),
            Self::Limited { .. } if is_known() => Ok(Verifying { limited: true }),
            Self::Limited { retry_after } => Err(RateLimited { retry_after }),
        }
    }
}

impl Verifying {
    /// The outcome of an account that `may_pass`: an unknown one, or one that is disabled, has no right password. A right password of a
    /// limited attempt ends no consecutive failures: it was admitted because it is known, and those who guess at the same time must not
    /// profit.
    pub(super) fn settle(self, outcome: &PasswordOutcome, may_pass: bool) -> Settled {
        match outcome {
            PasswordOutcome::Right { .. } if may_pass => Settled::Right { ends_consecutive: !self.limited },
            PasswordOutcome::Right { .. } | PasswordOutcome::Wrong => Settled::Wrong,
        }
    }
}

#[cfg(test)]
#[path = "login_state_tests.rs"]
mod tests;
