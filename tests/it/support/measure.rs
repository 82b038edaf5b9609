//! What a running server costs, as the system counts it.

use std::time::Duration;

use super::{Server, eventually};

impl Server {
    /// The processor time that the server has used.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("the server runs");
        // User and system time are the 12th and 13th number after the name, in hundredths of a second.
        let numbers: Vec<&str> = stat.rsplit(')').next().expect("a part").split_whitespace().collect();
        let ticks = |at: usize| numbers[at].parse::<u64>().expect("a number");
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    /// How much the server has read, from files and connections.
    pub fn bytes_read(&self) -> u64 {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.pid())).expect("the server runs");
        let line = io.lines().find_map(|line| line.strip_prefix("rchar: ")).expect("Linux tells it");
        line.trim().parse().expect("a number")
    }

    /// Waits until the server has nothing to do: half a second without any work.
    pub async fn settled(&self) {
        let mut quiet = 0;
        let mut before = self.processor_time();
        eventually("the server has nothing to do", async || {
            tokio::time::sleep(Duration::from_millis(75)).await;
            let now = self.processor_time();
            quiet = if now == before { quiet + 1 } else { 0 };
            before = now;
            quiet >= 5
        })
        .await;
    }
}
