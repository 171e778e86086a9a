//! The one thread that writes, and its group commit.
//!
//! Jobs wait in a channel while a commit is on its way to the disk; the next transaction takes all of them. A job that
//! fails is rolled back alone (a savepoint each); a commit that fails is answered to every job in it. Nothing is answered
//! before the commit is durable.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::crash::{COMMIT_AFTER, COMMIT_BEFORE, CrashPoints};
use crate::error::{Doing, StoreError};
use crate::head::Head;
use crate::journal::{self, Author};
use crate::migrations::APPLICATION_ID;

/// Enough for every driver, import and output pump of one process; a sender beyond it waits for the disk.
const QUEUE: usize = 1024;
/// A transaction takes at most so many jobs, so that the first of them does not wait for ever.
const BATCH: usize = 256;

/// From this length on the log's pages are moved to the database, so that it stays near 4 MiB.
const LOG_FRAMES: i64 = 1000;

/// How sure a job wants its result to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Durability {
    /// On disk before it is answered.
    Durable,
    /// Whole after a crash, possibly lost.
    Relaxed,
}

type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Work = Box<dyn FnOnce(Result<(&Connection, &mut Author), StoreError>) -> (Option<StoreError>, Answer) + Send>;

struct Job {
    durability: Durability,
    work: Work,
}

/// The thread and the way to it.
pub(crate) struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(
        durable: Connection,
        relaxed: Connection,
        author: Author,
        head: Head,
        crash_points: CrashPoints,
    ) -> Result<Self, StoreError> {
        let (jobs, queue) = sync_channel(QUEUE);
        let mut desk = Desk { durable, relaxed, author, head, crash_points, stopped: false };
        let thread =
            std::thread::Builder::new().name("belay-store".to_owned()).spawn(move || desk.run(&queue)).map_err(
                |error| StoreError::File { operation: "start the writer thread", source: std::sync::Arc::new(error) },
            )?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Queues work; `reply` gets its result after the commit, or the reason why there was none.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Connection, &mut Author) -> Result<T, StoreError> + Send + 'static,
        reply: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let work: Work = Box::new(move |desk| {
            let result = desk.and_then(|(connection, author)| work(connection, author));
            let error = result.as_ref().err().cloned();
            (error, Box::new(move |commit| reply(result.and_then(|value| commit.map(|()| value)))))
        });
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.send(Job { durability, work }).map_err(|_| StoreError::Closed)
    }

    /// Queues work and waits for its result.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Connection, &mut Author) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = sync_channel(1);
        self.submit(durability, work, move |result| {
            // The caller waits below, so the answer always has a taker.
            drop(reply.send(result));
        })?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    /// Finishes what is queued.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer thread of the store has panicked");
        }
    }
}

struct Desk {
    durable: Connection,
    relaxed: Connection,
    author: Author,
    head: Head,
    crash_points: CrashPoints,
    /// Set after a disk error in a commit: it is open what the disk holds until the file is opened again.
    stopped: bool,
}

impl Desk {
    fn run(&mut self, queue: &Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH {
                match queue.try_recv() {
                    Ok(job) => batch.push(job),
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
            }
            let (durable, relaxed): (Vec<Job>, Vec<Job>) =
                batch.into_iter().partition(|job| job.durability == Durability::Durable);
            self.commit(Durability::Durable, durable);
            self.commit(Durability::Relaxed, relaxed);
        }
    }

    fn commit(&mut self, durability: Durability, jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let mut answers = Vec::with_capacity(jobs.len());
        let outcome = self.transaction(durability, jobs, &mut answers);
        for answer in answers {
            answer(outcome.clone());
        }
        if outcome.is_ok()
            && let Err(error) = self.begin_log_anew()
        {
            // Nothing was promised of it, and the next commit tries again.
            tracing::warn!(%error, "the write-ahead log cannot be begun anew");
            self.stopped |= matches!(error, StoreError::Disk { .. });
        }
    }

    /// Moves the pages of a long log to the database and at once writes its beginning.
    ///
    /// In between, damage to the log would make SQLite lay old pages over a database that has newer ones. SQLite itself
    /// leaves it at that until the next commit, which may be days away.
    fn begin_log_anew(&self) -> Result<(), StoreError> {
        let checkpoint = |sql: &str| -> Result<(i64, i64), StoreError> {
            self.durable
                .prepare_cached(sql)
                .and_then(|mut pragma| pragma.query_row([], |row| Ok((row.get(1)?, row.get(2)?))))
                .doing("move the write-ahead log to the database")
        };
        if checkpoint("PRAGMA wal_checkpoint(NOOP)")?.0 < LOG_FRAMES {
            return Ok(());
        }
        let (frames, moved) = checkpoint("PRAGMA wal_checkpoint(PASSIVE)")?;
        // Somebody who still reads old pages keeps the rest where it is.
        if frames != moved {
            return Ok(());
        }
        let again = "begin the write-ahead log anew";
        // A value that does not change still writes its page.
        self.durable.pragma_update(None, "application_id", APPLICATION_ID).doing(again)
    }

    fn transaction(
        &mut self,
        durability: Durability,
        jobs: Vec<Job>,
        answers: &mut Vec<Answer>,
    ) -> Result<(), StoreError> {
        let connection = match durability {
            Durability::Durable => &self.durable,
            Durability::Relaxed => &self.relaxed,
        };
        let begun = if self.stopped {
            Err(StoreError::Stopped)
        } else {
            execute(connection, "BEGIN IMMEDIATE", "begin a transaction")
        };
        let start = self.author.mark();
        let mut failed = begun.err();
        for job in jobs {
            let author = &mut self.author;
            if let Some(error) = &failed {
                answers.push((job.work)(Err(error.clone())).1);
                continue;
            }
            match one(connection, author, job.work) {
                Ok(answer) => answers.push(answer),
                Err((error, answer)) => {
                    answers.push(answer);
                    failed = Some(error);
                }
            }
        }
        // Inside the transaction nobody else can add events.
        let newest = match failed {
            Some(error) => Err(error),
            None => journal::last_given(connection),
        };
        let ended = newest.and_then(|newest| {
            self.crash_points.reach(COMMIT_BEFORE);
            let committed = execute(connection, "COMMIT", "commit");
            self.stopped |= matches!(committed, Err(StoreError::Disk { .. }));
            committed.map(|()| newest)
        });
        match ended {
            Ok(newest) => {
                // What a relaxed commit finds may be of another process, whose own commit is not yet on disk.
                if durability == Durability::Durable
                    && let Err(error) = self.head.raise(newest)
                {
                    tracing::warn!(%error, "how far the journal was acknowledged cannot be noted down");
                }
                self.author.commit();
                self.crash_points.reach(COMMIT_AFTER);
                Ok(())
            }
            Err(error) => {
                self.author.rewind(start);
                // SQLite may have rolled back by itself already.
                if !connection.is_autocommit()
                    && let Err(rollback) = execute(connection, "ROLLBACK", "roll back")
                {
                    tracing::error!(%rollback, "a failed transaction cannot be rolled back");
                    self.stopped = true;
                }
                Err(error)
            }
        }
    }
}

/// Runs one job in a savepoint. An error of its own is in its answer; one that ends the whole transaction is returned.
fn one(connection: &Connection, author: &mut Author, work: Work) -> Result<Answer, (StoreError, Answer)> {
    if let Err(error) = execute(connection, "SAVEPOINT job", "begin a part of a transaction") {
        let (_, answer) = work(Err(error.clone()));
        return Err((error, answer));
    }
    let mark = author.mark();
    let (error, answer) = work(Ok((connection, author)));
    let mut ended = Ok(());
    if let Some(error) = error {
        author.rewind(mark);
        // A full disk or a disk error may have ended the whole transaction, and the work of others with it.
        ended = if connection.is_autocommit() {
            Err(error)
        } else {
            execute(connection, "ROLLBACK TO job", "roll back a part of a transaction")
        };
    }
    match ended.and_then(|()| execute(connection, "RELEASE job", "end a part of a transaction")) {
        Ok(()) => Ok(answer),
        Err(error) => Err((error, answer)),
    }
}

fn execute(connection: &Connection, sql: &'static str, operation: &'static str) -> Result<(), StoreError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).doing(operation)?;
    Ok(())
}
