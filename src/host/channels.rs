//! Whether a session takes more than one channel, as a file and the commands beside it need them.

use super::error::HostError;
use super::hosts::Host;
use super::lane::{Lane, Worker};
use super::link::{Cancel, Stopped, code};

impl Host {
    /// Whether a session of this lane has two channels at once; nothing is sent over either.
    ///
    /// # Errors
    /// Why the host could not be asked.
    pub async fn opens_two_channels(&self, lane: Lane) -> Result<bool, HostError> {
        let thread = self.lane(lane)?;
        thread.call(Worker::opens_two_channels).await?
    }
}

impl Worker {
    fn opens_two_channels(&mut self, cancel: &Cancel) -> Result<bool, HostError> {
        self.try_channels(cancel, |link, limit| {
            let mut first = link.open_channel(limit)?;
            let second = link.open_channel(limit);
            link.drive(limit, |_| first.close())?;
            match second {
                Ok(mut second) => link.drive(limit, |_| second.close()).map(|()| true),
                Err(Stopped::Ssh(code::CHANNEL_FAILURE, _)) => Ok(false),
                Err(stopped) => Err(stopped),
            }
        })
    }
}
