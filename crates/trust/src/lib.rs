//! Device identities, signed envelopes, hash chains and their verification.
//!
//! Everything here is pure: time, randomness and bytes are arguments. The truth of an execution is a grow-only set of
//! [`SignedEnvelope`]s; this crate says which of them are authentic ([`SignedEnvelope::open`]), in which order they are
//! read ([`causal_order`]) and what is wrong with a set ([`audit`]). What an event means is not known here.

mod audit;
mod chain;
mod envelope;
mod export;
mod hlc;
mod identity;
mod ids;
mod key;
mod order;
mod seal;
mod signed;

pub use audit::{AuditReport, Equivocation, EventAudit, Fault, Fork, audit};
pub use chain::verify_chains;
pub use envelope::{Envelope, EnvelopeError, MAX_BODY, MAX_ENVELOPE, MAX_KIND, MAX_LINKS, SignedEnvelope, VERSION};
pub use export::{Export, ExportError, LineFault, WrongLine, read, write};
pub use hlc::Hlc;
pub use identity::Succession;
pub use ids::{ChainId, DeviceId, ExecutionId, Hash32, IdError, KeyId, PublicKey, SessionId};
pub use key::DeviceKey;
pub use order::causal_order;
pub use seal::Seal;
