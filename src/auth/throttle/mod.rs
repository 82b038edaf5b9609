//! Brute-force protection: whether a password is verified, when, and what each outcome changes.
//!
//! A login attempt meets three states: that of the account (or of the unknown name, by the same rules), of the address, and of the
//! source, which is the account and the address together. `login_state` holds the transitions of an attempt:
//!
//! ```text
//!                         account and address Free
//!                  ┌──────────────────────────────────────┐
//!   attempt ──▶ Login                                     ├─▶ Verifying ──▶ Wrong: counts for account and address
//!                  └─ either limited ─▶ source Known, and ┘        │
//!                                │      with this password         └──────▶ Right: the source becomes Known;
//!                                │                                          consecutive failures end, unless limited
//!                                └─ else ─▶ RateLimited: not verified, Retry-After; counts as a failed attempt of a known source
//! ```
//!
//! The states, and what moves between them:
//!
//! ```text
//!   account   Free ── the 10th consecutive wrong password, and each one after it ──▶ BackingOff, 1 s doubling to 15 min
//!             Free, BackingOff ── the 100th wrong password in 24 hours ────────────▶ Locked, until the first is 24 hours old
//!             BackingOff, Locked ── its time is over, or `user unlock` ────────────▶ Free
//!             Free ── a right password ──▶ Free, with no consecutive failures; those of the day stay counted
//!   address   Free ── the 10th wrong password in a minute ─▶ RateLimited, until the first is a minute old ──▶ Free
//!   source    Unknown ── a right password ─▶ Known ── 10 other passwords while limited, or a day without login ─▶ Unknown
//! ```
//!
//! | file | decides |
//! |---|---|
//! | `login_state` | the transitions of one attempt, drawn first |
//! | `account_limit` | the state of an account from its wrong passwords: pure, given the time |
//! | `address_limit` | the state of an address |
//! | `known_sources` | the state of a source |
//! | `failed_logins` | where wrong passwords are counted: accounts and unknown names in the database, addresses in memory |
//! | `shared_logins` | what nodes tell each other about addresses and sources |
//! | `queue` | who waits for a verification, and who is told to come back |
//! | `password_verifier` | the way of a password through all of these, and what is remembered |
//! | `verification` | one run of Argon2, and writing down what came of it |

mod account_limit;
mod address_limit;
mod failed_logins;
mod known_sources;
mod login_state;
mod password_verifier;
mod queue;
mod shared_logins;
mod verification;

pub(crate) use account_limit::AccountLimit;
pub(super) use failed_logins::FailedLogins;
pub(super) use password_verifier::{LoginAttempt, PasswordVerifier};
