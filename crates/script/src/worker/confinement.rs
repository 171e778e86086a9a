//! Limits that the operating system enforces on the worker, in case the script engine's own ones fail.

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::wire::WireLimits;

/// Address space beyond the engine's memory limit: frames, thread stacks, and the arenas that malloc only reserves.
const ADDRESS_SPACE_RESERVE: u64 = 512 << 20;

/// Seconds of CPU time beyond the script's run time, for start and end.
const CPU_RESERVE: u64 = 2;

/// Confines the process: bounded address space and CPU time, no new file descriptors, processes, files or core dumps.
pub(super) fn confine(limits: &WireLimits) -> rustix::io::Result<()> {
    let memory = u64::try_from(limits.memory).unwrap_or(u64::MAX);
    let address_space =
        used_address_space().saturating_add(memory.saturating_mul(2)).saturating_add(ADDRESS_SPACE_RESERVE);
    limit(Resource::As, address_space)?;
    limit(Resource::Cpu, limits.run_time_ms.div_ceil(1000).saturating_add(CPU_RESERVE))?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Nproc, 0)?;
    // The three standard streams are open; there is no fourth.
    limit(Resource::Nofile, 3)
}

/// Lowers a limit; one that is already lower stays.
fn limit(resource: Resource, wanted: u64) -> rustix::io::Result<()> {
    let present = rustix::process::getrlimit(resource).maximum;
    let value = Some(present.map_or(wanted, |present| present.min(wanted)));
    setrlimit(resource, Rlimit { current: value, maximum: value })
}

/// Bytes of address space in use, program text included; zero where the system does not say.
fn used_address_space() -> u64 {
    let Ok(statm) = std::fs::read_to_string("/proc/self/statm") else { return 0 };
    let pages = statm.split(' ').next().and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    // The smallest page there is would underestimate on other systems; 64 KiB is the largest in use.
    let page = if cfg!(target_arch = "x86_64") { 4 << 10 } else { 64 << 10 };
    pages.saturating_mul(page)
}
