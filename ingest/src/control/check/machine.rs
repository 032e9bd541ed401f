//! What of the machine stands in a sensor's way: the state directory, ports, the rights of whoever runs the check.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::Access;
use rustix::process::geteuid;
use rustix::thread::{self, CapabilitySet};

use super::Finding;
use crate::config::Source;
use crate::rights::Needs;

/// Looks at the machine.
#[must_use]
pub(super) fn look(state: &Path, needs: &Needs, sources: &[Source]) -> Vec<Finding> {
    let mut findings = vec![of_state(state)];
    findings.extend(of_user(state));
    let permitted = thread::capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.permitted);
    findings.extend(of_capabilities(needs.capabilities, permitted));
    findings.extend(sources.iter().filter_map(of_port));
    findings
}

fn of_state(state: &Path) -> Finding {
    let path = state.display();
    let there = state.ancestors().find(|path| path.exists());
    let there = there.unwrap_or(Path::new("/"));
    match rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if there == state => Finding::good(format!("the state directory {path} may be written")),
        Ok(()) => Finding::good(format!("the state directory {path} can be made")),
        Err(error) => Finding::bad(format!(
            "the state directory {path} can't be written ({error}): run this as the sensor's own user or as root, or give the \
             folder {} to that user",
            there.display()
        )),
    }
}

/// What root may read says little about what the service may.
fn of_user(state: &Path) -> Option<Finding> {
    let owner = std::fs::metadata(state).ok()?.uid();
    (geteuid().is_root() && owner != 0).then(|| {
        Finding::good(format!(
            "this check runs as root, and the state belongs to user {owner}: files that root alone may read are not readable to \
             the service"
        ))
    })
}

fn of_capabilities(needed: CapabilitySet, permitted: CapabilitySet) -> Vec<Finding> {
    let of = |capability: CapabilitySet, name: &str, what: &str, mend: &str| {
        if !needed.contains(capability) {
            return None;
        }
        Some(if permitted.contains(capability) {
            Finding::good(format!("has {name}, to {what}"))
        } else {
            Finding::bad(format!("lacks {name}, to {what}: {mend}"))
        })
    };
    let raw = of(
        CapabilitySet::NET_RAW,
        "CAP_NET_RAW",
        "open the interface of a `capture`",
        "the unit of the package gives it to the service; here, run this as root",
    );
    let bind = of(
        CapabilitySet::NET_BIND_SERVICE,
        "CAP_NET_BIND_SERVICE",
        "listen on a port below 1024",
        "give it to the service with the drop-in port-514.conf, or choose a higher port",
    );
    raw.into_iter().chain(bind).collect()
}

fn of_port(source: &Source) -> Option<Finding> {
    let (address, is_udp) = match source {
        Source::SyslogUdp(source) => (source.listen, true),
        Source::FlowExport(source) => (source.listen, true),
        Source::SyslogTcp(source) => (source.listen, false),
        Source::SyslogTls(source) => (source.listen, false),
        Source::File(_) | Source::Capture(_) | Source::EveSocket(_) => return None,
    };
    Some(of_address(source.kind(), address, is_udp))
}

fn of_address(kind: &str, address: SocketAddr, is_udp: bool) -> Finding {
    let opened = if is_udp {
        UdpSocket::bind(address).map(drop)
    } else {
        TcpListener::bind(address).map(drop)
    };
    let way = if is_udp { "UDP" } else { "TCP" };
    match opened {
        Ok(()) => Finding::good(format!("`{kind}` can listen on {way} {address}")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Finding::good(format!(
            "`{kind}`: {way} {address} is in use: by the sensor itself if it runs, or else by another program, and then choose \
             another port"
        )),
        Err(error) => Finding::bad(format!(
            "`{kind}` can't listen on {way} {address} ({error}): choose an address of this machine and a port that is permitted"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_that_lacks_is_told_with_its_mend_and_one_that_nobody_needs_is_not() {
        let (none, raw) = (CapabilitySet::empty(), CapabilitySet::NET_RAW);
        let bind = CapabilitySet::NET_BIND_SERVICE;
        for (needed, permitted, expected) in [
            (none, raw | bind, &[][..]),
            (raw, raw, &[(true, "CAP_NET_RAW")]),
            (
                raw | bind,
                raw,
                &[(true, "CAP_NET_RAW"), (false, "port-514.conf")],
            ),
            (raw, bind, &[(false, "the unit of the package")]),
        ] {
            let findings = of_capabilities(needed, permitted);
            assert_eq!(findings.len(), expected.len(), "{findings:?}");
            for (finding, (is_good, part)) in findings.iter().zip(expected) {
                assert!(
                    finding.is_good == *is_good && finding.text.contains(part),
                    "{finding:?}"
                );
            }
        }
    }

    #[test]
    fn ports_are_tried_over_both_families() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let taken = TcpListener::bind(host).expect("listens");
            let address = taken.local_addr().expect("an address");
            let finding = of_address("syslog_tcp", address, false);
            assert!(finding.is_good && finding.text.contains("in use"), "{finding:?}");
            drop(taken);
            let finding = of_address("syslog_tcp", address, false);
            assert!(
                finding.is_good && finding.text.contains("can listen"),
                "{finding:?}"
            );
        }
        // Addresses for documentation are no machine's.
        for nobodys in ["192.0.2.1:5514", "[2001:db8::1]:5514"] {
            let finding = of_address("syslog_udp", nobodys.parse().expect("an address"), true);
            assert!(!finding.is_good && finding.text.contains(nobodys), "{finding:?}");
        }
    }

    #[test]
    fn a_state_that_nobody_can_write_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(of_state(folder.path()).text.contains("may be written"));
        assert!(
            of_state(&folder.path().join("not/yet"))
                .text
                .contains("can be made")
        );
        // Not even by root: it is no folder.
        let file = folder.path().join("file");
        std::fs::write(&file, b"").expect("written");
        let finding = of_state(&file);
        assert!(
            !finding.is_good && finding.text.contains("own user"),
            "{finding:?}"
        );
    }
}
