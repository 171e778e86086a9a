//! How requests for approval are answered and closed: those of steps, and those of what takes a step back.

use super::ensure;
use crate::event::Closing;
use crate::execution::{Execution, Given, Phase, Request, Stage};
use crate::ids::VisitId;

impl Execution {
    pub(super) fn count_approval(&mut self, id: &VisitId, digest: &str, given: Given) -> Result<(), String> {
        if self.phase == Phase::Undoing {
            let request = self.undo_request(id, digest)?;
            request.given.insert(given.by.responder.clone(), given);
            return Ok(());
        }
        let visit = self.open_visit(id)?;
        let request = asked(visit.request.as_mut(), digest)?;
        request.given.insert(given.by.responder.clone(), given);
        // A script that still runs, or an act that is not settled, is not overtaken by an approval.
        if request.granted() && visit.stage == Stage::Approval {
            visit.stage = Stage::Ready;
        }
        Ok(())
    }

    pub(super) fn close_approval(&mut self, id: &VisitId, digest: &str, how: &Closing) -> Result<(), String> {
        if self.phase == Phase::Undoing {
            self.undo_request(id, digest)?.closed = Some(how.clone());
            return Ok(());
        }
        let visit = self.open_visit(id)?;
        asked(visit.request.as_mut(), digest)?.closed = Some(how.clone());
        let started = matches!(visit.stage, Stage::Acting(_) | Stage::Interrupted(_));
        if !started && matches!(how, Closing::Expired | Closing::Voided { .. }) {
            visit.stage = Stage::Entered;
        }
        Ok(())
    }

    /// The request of what takes a step back.
    fn undo_request(&mut self, id: &VisitId, digest: &str) -> Result<&mut Request, String> {
        let next = self.next_undo().ok_or("nothing is left to undo")?;
        let entry = self.undo_entry(next)?;
        ensure(&entry.item.at == id, "another step is being taken back")?;
        asked(entry.request.as_mut(), digest)
    }
}

fn asked<'r>(request: Option<&'r mut Request>, digest: &str) -> Result<&'r mut Request, String> {
    let request = request.ok_or("there is no request")?;
    ensure(request.asked.digest == digest, "the digest is another one")?;
    ensure(request.closed.is_none(), "the request is closed")?;
    Ok(request)
}
