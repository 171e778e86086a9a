//! Output of a running act: kept in the store, and shown while it comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use belay_actions::action::{OutputChunk, OutputSink, Stream};
use belay_store::Store;
use belay_trust::ExecutionId;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Answer, acts};

/// Chunks on their way to the store. A helper's chunk has at most 64 KiB, so this bounds memory at some 16 MiB; beyond
/// it chunks are dropped with a mark, because an act is never held up by its output.
const CHUNKS: usize = 256;

/// Takes the output of one invocation.
pub(super) struct OutputKeeper {
    sender: mpsc::Sender<OutputChunk>,
    dropped: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl OutputKeeper {
    /// Starts keeping. Nothing is written until there is output.
    pub(super) fn start(
        store: Option<Store>,
        execution: ExecutionId,
        invocation: &str,
        step: String,
        inbox: mpsc::Sender<Box<Answer>>,
    ) -> Self {
        let (sender, mut chunks) = mpsc::channel::<OutputChunk>(CHUNKS);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        let invocation = invocation.to_owned();
        let task = tokio::spawn(async move {
            while let Some(chunk) = chunks.recv().await {
                let stream = word(chunk.stream);
                let text = String::from_utf8_lossy(&chunk.bytes).into_owned();
                acts::answer(&inbox, Answer::Output { step: step.clone(), stream, text }).await;
                if let Some(store) = store.clone() {
                    keep(store, execution, invocation.clone(), chunk).await;
                }
                let missing = lost.swap(0, Ordering::Relaxed);
                if missing > 0 {
                    let text = format!("\n[{missing} bytes of output came too fast and were dropped]\n");
                    acts::answer(&inbox, Answer::Output { step: step.clone(), stream: "stderr", text }).await;
                }
            }
        });
        Self { sender, dropped, task }
    }

    /// Where an act puts its output; never blocks.
    pub(super) fn sink(&self) -> OutputSink {
        let sender = self.sender.clone();
        let dropped = Arc::clone(&self.dropped);
        Arc::new(move |chunk: OutputChunk| {
            let bytes = chunk.bytes.len() as u64;
            if sender.try_send(chunk).is_err() {
                dropped.fetch_add(bytes, Ordering::Relaxed);
            }
        })
    }

    /// Waits until everything is kept.
    pub(super) async fn finish(self) {
        drop(self.sender);
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "output was not kept to its end");
        }
    }
}

async fn keep(store: Store, execution: ExecutionId, invocation: String, chunk: OutputChunk) {
    let stream = match chunk.stream {
        Stream::Stdout => belay_store::Stream::Stdout,
        Stream::Stderr => belay_store::Stream::Stderr,
    };
    let chunk = belay_store::OutputChunk { stream, at_ms: Timestamp::now().as_millisecond(), bytes: chunk.bytes };
    let written = tokio::task::spawn_blocking(move || store.append_output(execution, &invocation, chunk)).await;
    match written {
        Ok(Ok(_)) => {}
        // Output is a convenience: its outcome and excerpt stand in the journal.
        Ok(Err(error)) => tracing::warn!(error = crate::error::chain(&error), "output was not kept"),
        Err(error) => tracing::warn!(%error, "output was not kept"),
    }
}

fn word(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    }
}
