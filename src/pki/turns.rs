//! A keeper that looks at files again and again while the server runs, and at once when it is asked to (SIGHUP).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Takes a turn every `poll`, and whenever `reload` is notified, until `shutdown`. `turn` is told whether it was asked for. `lost` is what
/// to tell the operator where a turn has panicked: there are no more of them then.
pub(crate) async fn take_turns<K: Send + 'static>(
    mut keeper: K,
    poll: Duration,
    reload: Arc<Notify>,
    shutdown: CancellationToken,
    turn: fn(&mut K, bool),
    lost: &'static str,
) {
    let mut ticks = tokio::time::interval(poll.max(Duration::from_millis(10)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let asked = tokio::select! {
            () = shutdown.cancelled() => return,
            () = reload.notified() => true,
            _ = ticks.tick() => false,
        };
        // Files and signatures block; the runtime's own threads must not.
        let taken = tokio::task::spawn_blocking(move || {
            turn(&mut keeper, asked);
            keeper
        });
        match taken.await {
            Ok(back) => keeper = back,
            Err(error) => {
                tracing::error!(%error, "{lost}");
                return;
            }
        }
    }
}
