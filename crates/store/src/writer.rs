//! The one place that writes, and its group commit.
//!
//! Jobs wait in a channel while a commit is on its way to the disk; the next transaction takes all of them, on a thread of
//! its own. Where nothing is queued and nobody writes, a caller that may wait for the disk does its job itself, which
//! saves waking that thread and being woken by it. A job that fails is rolled back alone (a savepoint each); a commit that
//! fails is answered to every job in it. Nothing is answered before the commit is durable.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
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

impl Job {
    /// `reply` gets the result after the commit, or the reason why there was none.
    fn new<T: Send + 'static>(
        durability: Durability,
        work: impl FnOnce(&Connection, &mut Author) -> Result<T, StoreError> + Send + 'static,
        reply: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) -> Self {
        let work: Work = Box::new(move |desk| {
            let result = desk.and_then(|(connection, author)| work(connection, author));
            let error = result.as_ref().err().cloned();
            (error, Box::new(move |commit| reply(result.and_then(|value| commit.map(|()| value)))))
        });
        Self { durability, work }
    }
}

/// What the thread finds in its queue.
enum Order {
    Do(Job),
    /// The log has grown long.
    Tidy,
}

/// The desk, the thread and the way to it.
pub(crate) struct Writer {
    orders: Option<SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
    office: Arc<Office>,
}

struct Office {
    /// Poisoned by a job that panicked: nothing is written any more.
    desk: Mutex<Desk>,
    /// Orders that are queued and not begun. None of them is overtaken, so that a log is tidied up before it grows on.
    queued: AtomicUsize,
}

impl Writer {
    pub(crate) fn start(
        durable: Connection,
        relaxed: Connection,
        author: Author,
        head: Head,
        crash_points: CrashPoints,
    ) -> Result<Self, StoreError> {
        let (orders, queue) = sync_channel(QUEUE);
        let desk = Desk { durable, relaxed, author, head, crash_points, stopped: false };
        let office = Arc::new(Office { desk: Mutex::new(desk), queued: AtomicUsize::new(0) });
        let shared = Arc::clone(&office);
        let thread = std::thread::Builder::new()
            .name("belay-store".to_owned())
            .spawn(move || shared.serve(&queue))
            .map_err(|error| StoreError::File { operation: "start the writer thread", source: Arc::new(error) })?;
        Ok(Self { orders: Some(orders), thread: Some(thread), office })
    }

    /// Queues work; `reply` gets its result after the commit, or the reason why there was none.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Connection, &mut Author) -> Result<T, StoreError> + Send + 'static,
        reply: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.queue(Order::Do(Job::new(durability, work, reply)))
    }

    /// Does work on the calling thread, and blocks it, where nobody writes and nothing is queued; queues it otherwise.
    pub(crate) fn submit_here<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Connection, &mut Author) -> Result<T, StoreError> + Send + 'static,
        reply: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let job = Job::new(durability, work, reply);
        // A desk that cannot be locked is in use, or poisoned; the thread has ended then, which the queue tells.
        if let Ok(mut desk) = self.office.desk.try_lock()
            && self.office.queued.load(Ordering::Acquire) == 0
        {
            let long = desk.commit(durability, vec![job]) && desk.has_long_log();
            // A full queue waits for the desk.
            drop(desk);
            if long && let Err(error) = self.queue(Order::Tidy) {
                tracing::warn!(%error, "the write-ahead log grows on");
            }
            return Ok(());
        }
        self.queue(Order::Do(job))
    }

    fn queue(&self, order: Order) -> Result<(), StoreError> {
        let orders = self.orders.as_ref().ok_or(StoreError::Closed)?;
        self.office.queued.fetch_add(1, Ordering::AcqRel);
        orders.send(order).map_err(|_| StoreError::Closed)
    }

    /// Does work, here or on the thread, and waits for its result.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Connection, &mut Author) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = sync_channel(1);
        self.submit_here(durability, work, move |result| {
            // The caller waits below, so the answer always has a taker.
            drop(reply.send(result));
        })?;
        answer.recv().map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    /// Finishes what is queued.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer thread of the store has panicked");
        }
    }
}

impl Office {
    /// The thread: takes what is queued, all of it at once.
    fn serve(&self, queue: &Receiver<Order>) {
        while let Ok(first) = queue.recv() {
            let Ok(mut desk) = self.desk.lock() else {
                tracing::error!("a job of the store has panicked; nothing is written any more");
                return;
            };
            let mut batch = Vec::new();
            let mut taken = 0;
            let mut next = Some(first);
            while let Some(order) = next {
                taken += 1;
                match order {
                    Order::Do(job) => batch.push(job),
                    Order::Tidy => {}
                }
                next = if batch.len() < BATCH { queue.try_recv().ok() } else { None };
            }
            self.queued.fetch_sub(taken, Ordering::AcqRel);
            let (durable, relaxed): (Vec<Job>, Vec<Job>) =
                batch.into_iter().partition(|job| job.durability == Durability::Durable);
            let mut tidy = durable.is_empty() && relaxed.is_empty();
            tidy |= desk.commit(Durability::Durable, durable);
            tidy |= desk.commit(Durability::Relaxed, relaxed);
            if tidy {
                desk.tidy();
            }
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
    /// Commits and answers; says whether there was something that now is on disk.
    fn commit(&mut self, durability: Durability, jobs: Vec<Job>) -> bool {
        if jobs.is_empty() {
            return false;
        }
        let mut answers = Vec::with_capacity(jobs.len());
        let outcome = self.transaction(durability, jobs, &mut answers);
        for answer in answers {
            answer(outcome.clone());
        }
        outcome.is_ok()
    }

    /// Whether it is time to begin the log anew.
    fn has_long_log(&self) -> bool {
        // What cannot be asked here is reported where something is done about it.
        self.log("NOOP").is_ok_and(|(frames, _)| frames >= LOG_FRAMES)
    }

    /// Begins a long log anew.
    fn tidy(&mut self) {
        if let Err(error) = self.begin_log_anew() {
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
        if self.log("NOOP")?.0 < LOG_FRAMES {
            return Ok(());
        }
        let (frames, moved) = self.log("PASSIVE")?;
        // Somebody who still reads old pages keeps the rest where it is.
        if frames != moved {
            return Ok(());
        }
        let again = "begin the write-ahead log anew";
        // A value that does not change still writes its page.
        self.durable.pragma_update(None, "application_id", APPLICATION_ID).doing(again)
    }

    /// Asks for a checkpoint in a mode; returns the length of the log, and how much of it is moved.
    fn log(&self, mode: &str) -> Result<(i64, i64), StoreError> {
        self.durable
            .prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))
            .and_then(|mut pragma| pragma.query_row([], |row| Ok((row.get(1)?, row.get(2)?))))
            .doing("move the write-ahead log to the database")
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
