//! Which credentials a 401 asks for.
//!
//! Every docker must work on a host that knows the CA from docker's `certs.d` alone, as `portcullis trust` leaves it. Docker's
//! containerd store (an option in 28, the default in 29.0) and BuildKit fetch tokens with another HTTP client, which does not
//! read `certs.d` before docker 29.5: login works, then push and pull fail with an x509 error. Challenged with Basic they need
//! no token. Others must not see Basic: for some it is the end of anonymous pulls, and tokens do not carry the password.
//!
//! Seen on the wire (engines 20.10.24, 28.5.2 with both stores, 29.0.0, 29.8.0; BuildKit 0.25, 0.33):
//!
//! | client | first request | User-Agent | asked for Basic |
//! |---|---|---|---|
//! | docker, classic store | always `GET /v2/`, then a token by way of `certs.d`; never a repository without a token | `docker/28.5.2 go/... UpstreamClient(...)` | at the ping, it would fail on open repositories without a login ("no basic auth credentials") |
//! | docker, containerd store (28, 29) | `HEAD` of the manifest or blob without credentials; no ping | `docker/29.0.0 go/... containerd-client/2.1.4+unknown storage-driver/overlayfs UpstreamClient(...)` | repeats the request with the password and sends it with every later one |
//! | `docker login` | `GET /v2/`, from the engine | as above | |
//! | BuildKit, in the engine or apart | `HEAD` of the manifest without credentials; no ping | `buildkit/v0.25` and nothing more | as the containerd store; asked for Bearer, the program that started the build fetches the token, with the system's store alone |
//! | BuildKit of docker 20.10 | the same | `containerd/1.6.20+unknown`: cannot be told from containerd, so it is asked for Bearer | |
//! | containerd, ctr, Kubernetes | `HEAD` of the manifest | `containerd/v2.2.0` | is configured with a CA that counts for tokens too |
//! | podman, skopeo, buildah, crane, oras, helm | `GET /v2/` | their own | |
//!
//! None of them is challenged where it pulls from an open repository without a login, but for the classic store by its ping, and that
//! fetches an anonymous token.
//!
//! Asked again after they sent a password: docker's containerd store repeats the request up to five times where the challenge is
//! Basic. Where it is Bearer with an `error`, it gives up if it sent this request before without a password (so does every pull),
//! and tells its user that access was denied; else, as in a push, it fetches a token, and shows the x509 error instead of the
//! refusal. BuildKit fetches a token in both cases.
//!
//! An identity token (what `docker login` keeps where refresh tokens are switched on) is sent to the token endpoint alone: with
//! Basic both fail before they send anything. So where refresh tokens are switched on, everyone is asked for Bearer.

use axum::http::Method;

use crate::config::{AuthChallenge, AuthSettings};

/// Which credentials are asked for. Both kinds are accepted on every request, whichever is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum ChallengeKind {
    /// Tokens from the token endpoint.
    Bearer,
    /// Name and password on every request.
    Basic,
}

/// What a request presented, whether it is valid or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Sent {
    Nothing,
    Password,
    /// A token, or what no one can read.
    Other,
}

/// What the rule looks at in a request that is refused.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Refused<'r> {
    /// Whether its path names a repository.
    pub(in crate::http) to_repository: bool,
    pub(in crate::http) method: &'r Method,
    pub(in crate::http) sent: Sent,
    pub(in crate::http) user_agent: Option<&'r str>,
}

/// Clients that may know the CA for the registry and not for its token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Engine,
    BuildKit,
    Other,
}

/// The rule in force: what the operator chose, but for refresh tokens.
pub(super) fn rule(settings: &AuthSettings) -> AuthChallenge {
    match settings.challenge {
        AuthChallenge::Auto if settings.refresh_token_lifetime.is_some() => AuthChallenge::Bearer,
        chosen => chosen,
    }
}

impl AuthChallenge {
    /// See the module.
    pub(in crate::http) fn kind(self, request: Refused<'_>) -> ChallengeKind {
        match self {
            Self::Basic => ChallengeKind::Basic,
            Self::Auto if request.to_repository && needs_basic(request) => ChallengeKind::Basic,
            Self::Auto | Self::Bearer => ChallengeKind::Bearer,
        }
    }
}

fn needs_basic(Refused { method, sent, user_agent, .. }: Refused<'_>) -> bool {
    match (client(user_agent.unwrap_or_default()), sent) {
        (Client::Other, _) | (_, Sent::Other) => false,
        (Client::Engine | Client::BuildKit, Sent::Nothing) | (Client::BuildKit, Sent::Password) => true,
        (Client::Engine, Sent::Password) => !matches!(*method, Method::GET | Method::HEAD),
    }
}

/// The first product decides (RFC 9110, section 10.1.5): what follows it are its parts, and whom docker's engine works for.
fn client(user_agent: &str) -> Client {
    match user_agent.split_once('/').map(|(product, _)| product) {
        Some("docker") => Client::Engine,
        Some("buildkit") => Client::BuildKit,
        _ => Client::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSIC: &str = "docker/20.10.24+dfsg1 go/go1.19.8 git-commit/5d6db84 kernel/6.1.0-18-amd64 os/linux arch/amd64 \
        UpstreamClient(Docker-Client/20.10.24+dfsg1 \\(linux\\))";
    const ENGINE: &str = "docker/29.0.0 go/go1.25.4 git-commit/d105562 kernel/6.1.0-18-amd64 os/linux arch/amd64 \
        containerd-client/2.1.4+unknown storage-driver/overlayfs UpstreamClient(Docker-Client/29.0.0 \\(linux\\))";
    const BUILDKIT: &str = "buildkit/v0.25";

    fn kind(rule: AuthChallenge, user_agent: &str, method: &Method, sent: Sent) -> ChallengeKind {
        rule.kind(Refused { to_repository: true, method, sent, user_agent: Some(user_agent) })
    }

    #[test]
    fn dockers_engine_and_buildkit_are_told_from_all_others() {
        for user_agent in
            [CLASSIC, ENGINE, "docker/28.5.2 go/go1.24.9", BUILDKIT, "buildkit/v0.13-dev", "buildkit/v0.25 moby/28.5.2"]
        {
            let kind = kind(AuthChallenge::Auto, user_agent, &Method::HEAD, Sent::Nothing);
            assert_eq!(kind, ChallengeKind::Basic, "{user_agent}");
        }
        for user_agent in [
            "",
            "docker",
            "Docker-Client/29.0.0 (linux)",
            "containerd/1.6.20+unknown",
            "containerd/1.7.24",
            "containerd/v2.2.0",
            "containerd/2.2.0+unknown docker/29",
            "nerdctl/2.1.2",
            "cri-o/1.33.0 go/go1.24.2 os/linux arch/amd64",
            "containers/5.34.2 (github.com/containers/image)",
            "Buildah/1.39.3",
            "skopeo/1.18.0",
            "libpod/5.4.2",
            "crane/0.20.6 go-containerregistry/0.20.6",
            "cosign/v2.5.0 (linux; amd64) go-containerregistry/0.20.3",
            "kaniko/v1.23.2",
            "oras/1.2.3+Homebrew",
            "Helm/3.18.4",
            "regclient/regctl (v0.9.0)",
            "curl/8.14.1",
            "Go-http-client/2.0",
            "dockerfile/1.0",
            "my-buildkit/v0.25",
            "DOCKER/29.0.0",
        ] {
            let kind = kind(AuthChallenge::Auto, user_agent, &Method::HEAD, Sent::Nothing);
            assert_eq!(kind, ChallengeKind::Bearer, "{user_agent}");
        }
    }

    #[test]
    fn the_ping_and_the_catalog_ask_everyone_for_a_token() {
        for user_agent in [Some(CLASSIC), Some(ENGINE), Some(BUILDKIT), None] {
            let ping = Refused { to_repository: false, method: &Method::GET, sent: Sent::Nothing, user_agent };
            assert_eq!(AuthChallenge::Auto.kind(ping), ChallengeKind::Bearer);
        }
        let nameless = Refused { to_repository: true, method: &Method::GET, sent: Sent::Nothing, user_agent: None };
        assert_eq!(AuthChallenge::Auto.kind(nameless), ChallengeKind::Bearer);
    }

    #[test]
    fn who_was_refused_with_a_password_is_asked_for_what_ends_the_attempt_best() {
        use ChallengeKind::{Basic, Bearer};
        for (user_agent, method, sent, expected) in [
            (ENGINE, Method::HEAD, Sent::Password, Bearer),
            (ENGINE, Method::GET, Sent::Password, Bearer),
            (ENGINE, Method::POST, Sent::Password, Basic),
            (ENGINE, Method::PUT, Sent::Password, Basic),
            (BUILDKIT, Method::HEAD, Sent::Password, Basic),
            (BUILDKIT, Method::POST, Sent::Password, Basic),
            (CLASSIC, Method::HEAD, Sent::Other, Bearer),
            (ENGINE, Method::PUT, Sent::Other, Bearer),
            (BUILDKIT, Method::HEAD, Sent::Other, Bearer),
            ("containerd/v2.2.0", Method::POST, Sent::Password, Bearer),
        ] {
            assert_eq!(
                kind(AuthChallenge::Auto, user_agent, &method, sent),
                expected,
                "{user_agent} {method} {sent:?}"
            );
        }
    }

    #[test]
    fn what_the_operator_chose_for_everyone_holds_for_everyone() {
        for user_agent in [ENGINE, BUILDKIT, "containerd/v2.2.0"] {
            for sent in [Sent::Nothing, Sent::Password, Sent::Other] {
                let asked = |rule| kind(rule, user_agent, &Method::HEAD, sent);
                assert_eq!(asked(AuthChallenge::Bearer), ChallengeKind::Bearer);
                assert_eq!(asked(AuthChallenge::Basic), ChallengeKind::Basic);
            }
        }
    }
}
