//! How a node comes to its end: balancers notice first, then others take over its jobs, then no more connections are accepted.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::presence::Presence;
use crate::http::App;

/// See the module.
pub(super) struct Ending {
    pub(super) app: App,
    pub(super) presence: Presence,
    /// How long a balancer has to notice.
    pub(super) delay: Duration,
    /// Cancelled first: what only one node does is left to others.
    pub(super) leaving: CancellationToken,
    /// Cancelled when no more connections are accepted.
    pub(super) stop: CancellationToken,
}

impl Ending {
    /// First the node is not ready any more, then no longer there.
    pub(super) async fn begin(self) {
        self.app.start_draining();
        self.leaving.cancel();
        self.presence.leave().await;
        if !self.delay.is_zero() {
            tracing::info!(
                seconds = self.delay.as_secs_f32(),
                "not ready any more; serving until balancers have noticed"
            );
            tokio::time::sleep(self.delay).await;
        }
        tracing::info!("stopping: transfers in progress may finish, new ones are refused");
        self.stop.cancel();
    }
}
