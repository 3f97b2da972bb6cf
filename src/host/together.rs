//! One question for everybody who wants its answer and began to want it before it is sent. A host that
//! does not answer is waited for once then, not once for each of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use super::command::HostCommand;
use super::error::HostError;
use super::lane::Lane;
use super::output::Output;

type Answer = OnceCell<Result<Output, HostError>>;

/// The questions to one host that were not sent yet.
#[derive(Default)]
pub(super) struct Together(Mutex<Vec<Question>>);

struct Question {
    lane: Lane,
    command: HostCommand,
    answer: Arc<Answer>,
}

/// Lets others join a question until this is dropped, right before it is sent: what was sent earlier may
/// answer what somebody saw before.
pub(super) struct Open<'a> {
    all: &'a Together,
    answer: Arc<Answer>,
}

impl Together {
    /// The answer to a question that waits to be sent, else to one that `ask` sends. Where whoever asks
    /// gives up, another of those who wait asks anew.
    pub(super) async fn ask<'a, F>(
        &'a self,
        lane: Lane,
        command: &HostCommand,
        ask: impl FnOnce(Open<'a>) -> F,
    ) -> Result<Output, HostError>
    where
        F: Future<Output = Result<Output, HostError>>,
    {
        let answer = self.join(lane, command);
        let open = || Open {
            all: self,
            answer: answer.clone(),
        };
        answer.get_or_init(|| ask(open())).await.clone()
    }

    fn join(&self, lane: Lane, command: &HostCommand) -> Arc<Answer> {
        let mut questions = self.questions();
        let mut known = questions.iter();
        if let Some(question) = known.find(|one| one.lane == lane && one.command == *command) {
            return question.answer.clone();
        }
        let answer = Arc::<Answer>::default();
        questions.push(Question {
            lane,
            command: command.clone(),
            answer: answer.clone(),
        });
        answer
    }

    fn questions(&self) -> MutexGuard<'_, Vec<Question>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let is_it = |one: &Question| Arc::ptr_eq(&one.answer, &self.answer);
        self.all.questions().retain(|one| !is_it(one));
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Poll;
    use std::time::Duration;

    use futures_util::{join, poll};
    use tokio::sync::Notify;

    use super::*;

    fn list() -> HostCommand {
        HostCommand::read(["esxcli", "vm", "process", "list"])
    }

    /// A host that is asked once its lane is free, and then takes its time; it answers with the number of
    /// the question.
    #[derive(Default)]
    struct Asked {
        together: Together,
        sent: AtomicU32,
        free: Notify,
        told: Notify,
    }

    impl Asked {
        async fn ask(&self, command: &HostCommand) -> i32 {
            let send = async |open: Open<'_>| {
                self.free.notified().await;
                drop(open);
                let number = self.sent.fetch_add(1, Ordering::SeqCst) + 1;
                self.told.notified().await;
                Ok(Output {
                    status: i32::try_from(number).unwrap(),
                    ..Output::default()
                })
            };
            let answer = self.together.ask(Lane::Control, command, send).await;
            answer.unwrap().status
        }
    }

    #[tokio::test]
    async fn who_began_before_the_question_left_shares_it_and_who_came_later_asks_anew() {
        let (asked, list) = (Asked::default(), list());
        let mut first = Box::pin(asked.ask(&list));
        let mut second = Box::pin(asked.ask(&list));
        assert_eq!(poll!(&mut first), Poll::Pending);
        assert_eq!(poll!(&mut second), Poll::Pending);
        asked.free.notify_one();
        assert_eq!(poll!(&mut first), Poll::Pending);
        assert_eq!(asked.sent.load(Ordering::SeqCst), 1);

        // It has left: what it tells may have been seen before these began.
        let (mut third, mut fourth) = (Box::pin(asked.ask(&list)), Box::pin(asked.ask(&list)));
        assert_eq!(poll!(&mut third), Poll::Pending);
        assert_eq!(poll!(&mut fourth), Poll::Pending);
        asked.told.notify_one();
        assert_eq!(join!(first, second), (1, 1));
        asked.free.notify_one();
        asked.told.notify_one();
        assert_eq!(join!(third, fourth), (2, 2));
        assert!(asked.together.questions().is_empty());
    }

    #[tokio::test]
    async fn another_question_is_another_answer() {
        let (asked, list) = (Asked::default(), list());
        let other = HostCommand::read(["vim-cmd", "vmsvc/getallvms"]);
        let (mut first, mut second) = (Box::pin(asked.ask(&list)), Box::pin(asked.ask(&other)));
        assert_eq!(poll!(&mut first), Poll::Pending);
        assert_eq!(poll!(&mut second), Poll::Pending);
        asked.free.notify_waiters();
        asked.told.notify_one();
        assert_eq!(first.await, 1);
        asked.told.notify_one();
        assert_eq!(second.await, 2);
    }

    #[tokio::test]
    async fn whoever_waits_asks_where_the_first_gives_up() {
        let (together, list) = (Together::default(), list());
        let answer = |status| {
            Ok(Output {
                status,
                ..Output::default()
            })
        };
        for is_sent in [false, true] {
            let mut first = Box::pin(together.ask(Lane::Control, &list, async |open| {
                let open = (!is_sent).then_some(open);
                pending::<()>().await;
                drop(open);
                answer(1)
            }));
            let later = |_| async move { answer(2) };
            let mut second = Box::pin(together.ask(Lane::Control, &list, later));
            assert!(poll!(&mut first).is_pending());
            let joined = poll!(&mut second).is_pending();
            assert_eq!(joined, !is_sent, "one that has left is not joined");
            drop(first);
            if joined {
                let second = tokio::time::timeout(Duration::from_secs(60), second).await;
                assert_eq!(second.unwrap().unwrap().status, 2);
            }
            assert!(together.questions().is_empty());
        }
    }
}
