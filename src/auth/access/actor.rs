//! Who acts: what every permit says of its holder, so that what records, counts or announces an action asks no one else.

use std::net::IpAddr;

use uuid::Uuid;

use crate::auth::{Credential, CredentialId, Principal};

/// A principal, the credential that proves it, and the request that it acts in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    principal: Principal,
    credential: CredentialId,
    address: Option<IpAddr>,
    request_id: Option<Uuid>,
}

impl Actor {
    /// For policy, which has verified the credential.
    pub(super) fn new(credential: &Credential, caller: &Caller) -> Self {
        Self {
            principal: credential.principal().clone(),
            credential: credential.id().clone(),
            address: Some(caller.address),
            request_id: Some(caller.request_id),
        }
    }

    /// The operator at the command line: no address, no request.
    pub(super) fn operator(user: String) -> Self {
        Self {
            principal: Principal::Operator { user },
            credential: CredentialId::DataDirectory,
            address: None,
            request_id: None,
        }
    }

    /// Who acts.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// By which credential.
    pub fn credential(&self) -> &CredentialId {
        &self.credential
    }

    /// The client's address; `None` at the command line.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The request's name, as in the log and in `X-Request-Id`; `None` at the command line.
    pub fn request_id(&self) -> Option<Uuid> {
        self.request_id
    }
}

/// What asks policy for a permit: a verified credential, and the request that presented it.
#[derive(Clone, Debug)]
pub struct Caller {
    credential: Credential,
    address: IpAddr,
    request_id: Uuid,
}

impl Caller {
    /// A request from `address` that presented this credential.
    pub fn new(credential: Credential, address: IpAddr, request_id: Uuid) -> Self {
        Self { credential, address, request_id }
    }

    /// What was presented.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }
}

#[cfg(test)]
impl Caller {
    pub(in crate::auth) fn for_tests(credential: &Credential) -> Self {
        Self::new(credential.clone(), IpAddr::from([192, 0, 2, 1]), Uuid::from_u128(7))
    }
}
