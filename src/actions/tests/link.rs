//! A connection that can be cut under whatever runs over it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards connections to a host until they are cut; new ones work again at once.
pub(in crate::actions) struct CutLink {
    pub address: SocketAddr,
    pub loss: Arc<Loss>,
    cuts: watch::Sender<u32>,
    serving: JoinHandle<()>,
}

/// When the link dies by itself: under a write that has left, before a word of it comes back.
#[derive(Default)]
pub(in crate::actions) struct Loss {
    state: AtomicUsize,
}

impl Loss {
    const ARMED: usize = usize::MAX;
    /// What a session sends for a command: that it wants a channel, and the command itself.
    const SENT: usize = 2;

    /// The next write that is announced is lost.
    pub fn arm(&self) {
        self.state.store(Self::ARMED, Ordering::SeqCst);
    }

    /// A write was announced, and is about to leave.
    pub fn announced(&self) {
        let _ = self.state.compare_exchange(
            Self::ARMED,
            Self::SENT,
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
    }

    /// Whether what was just read of a session is all of the write that is to be lost.
    fn is_now(&self) -> bool {
        let less = |left| (1..=Self::SENT).contains(&left).then(|| left - 1);
        let before = self
            .state
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        before == Ok(1)
    }
}

impl CutLink {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, seen) = watch::channel(0);
        let loss = Arc::new(Loss::default());
        let loses = Arc::clone(&loss);
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut cut, loss) = (seen.clone(), Arc::clone(&loses));
                cut.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(target).await else {
                        return;
                    };
                    // Else small packets wait for acknowledgements: 40 ms for every command.
                    for socket in [&client, &server] {
                        socket.set_nodelay(true).unwrap();
                    }
                    let (mut said, mut hears) = client.into_split();
                    let (mut says, mut heard) = server.into_split();
                    let (told, mut lost) = watch::channel(false);
                    let there = forward(&mut said, &mut heard, &loss, &told);
                    let back = async {
                        tokio::select! {
                            biased;
                            _ = lost.changed() => std::future::pending().await,
                            _ = copy(&mut says, &mut hears) => {}
                        }
                    };
                    tokio::select! {
                        () = there => {}
                        () = back => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self {
            address,
            loss,
            cuts,
            serving,
        }
    }

    /// Ends every connection that is open; the host's commands go on.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

/// Brings to a host what a session sends, up to a write that is to be lost: from then on nothing comes back,
/// and once the host has had its time with it the connection ends.
async fn forward(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    loss: &Loss,
    lost: &watch::Sender<bool>,
) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let is_last = loss.is_now();
        if is_last {
            let _ = lost.send(true);
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
        if is_last {
            tokio::time::sleep(Duration::from_millis(300)).await;
            return;
        }
    }
}

impl Drop for CutLink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
