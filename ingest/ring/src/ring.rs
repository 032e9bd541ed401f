//! The ring that the kernel writes packets to.
//!
//! A ring is opened with its gate shut, so that all members of a group can be opened before any of them sees a packet;
//! [`Ring::start`] opens it. A block is handed over by the kernel, read as [`Block`], and handed back when that is
//! dropped. Everything unsafe of this workspace is in this file.

#![expect(
    unsafe_code,
    reason = "the kernel's interface to the ring is a mapped region and socket options without a safe wrapper"
)]

use std::{
    ffi::c_int,
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    mm::{MapFlags, ProtFlags, mmap, munmap},
    net::{AddressFamily, SocketFlags, SocketType, netdevice::name_to_index, socket_with, sockopt},
};
use thiserror::Error;

use crate::{
    block::{STATUS_END, Walk, walk},
    filter::{Filter, Instruction},
};

/// Bytes of a block: it holds the largest packet that offloading makes, and hundreds of ordinary ones.
const BLOCK_BYTES: usize = 1 << 20;

/// After so long the kernel hands over a block that is not full: what is seen is told soon, and an idle wire costs little.
const RETIRE_MS: u32 = 50;

/// What the kernel asks for although blocks of the third version have frames of any length.
const FRAME_BYTES: usize = 2048;

/// Where a block says who has it.
const STATUS_AT: usize = STATUS_END - size_of::<u32>();

/// When the interface is gone, so often the kernel is given time to hand over the block that it had begun: it may take
/// it two rounds to see that nothing more comes.
const LAST_LOOKS: u32 = 4;

/// How an interface is listened to.
#[derive(Clone, Debug)]
pub struct RingOptions {
    /// Memory for packets that wait to be read; at least two blocks of 1 MiB are taken.
    pub bytes: usize,
    /// Whether packets to others are wanted too.
    pub promiscuous: bool,
    /// Which packets are wanted; all if none.
    pub filter: Option<Filter>,
    /// Whether several rings share the packets.
    pub group: Group,
}

/// Which group of rings a ring is in. The packets of a flow, both directions, come to the same member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// None: all packets come here.
    Alone,
    /// A new one, with a number that nobody else has.
    New,
    /// That of another ring, by [`Ring::group`].
    Join(u16),
}

/// Why an interface can't be listened to.
#[derive(Debug, Error)]
pub enum OpenError {
    /// No rights.
    #[error("listen to {interface}: not permitted, run as root or with CAP_NET_RAW")]
    NotPermitted {
        /// As it was named.
        interface: String,
    },
    /// Nothing has that name now.
    #[error("listen to {interface}: there is no such interface")]
    NoInterface {
        /// As it was named.
        interface: String,
    },
    /// It is there, but not up.
    #[error("listen to {interface}: it is down, bring it up with `ip link set {interface} up`")]
    Down {
        /// As it was named.
        interface: String,
    },
    /// Its frames are no Ethernet.
    #[error("listen to {interface}: its frames are no Ethernet (hardware type {hardware})")]
    NotEthernet {
        /// As it was named.
        interface: String,
        /// Its number in `linux/if_arp.h`.
        hardware: u16,
    },
    /// The system refused a step.
    #[error("listen to {interface}: {step}")]
    System {
        /// As it was named.
        interface: String,
        /// What was tried.
        step: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// Why nothing more comes.
#[derive(Debug, Error)]
pub enum RingError {
    /// The interface went down or away.
    #[error("the interface went down or away")]
    Lost,
    /// The system failed.
    #[error("wait for packets")]
    System(#[source] io::Error),
}

/// What the kernel counted since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets that were wanted, dropped ones included.
    pub packets: u64,
    /// Packets for which there was no room.
    pub drops: u64,
    /// How often there was no room at all.
    pub freezes: u64,
}

/// A ring of one interface.
#[derive(Debug)]
pub struct Ring {
    socket: OwnedFd,
    region: Region,
    filter: Option<Filter>,
    next: usize,
    /// The interface is gone; what the kernel had begun may still come.
    is_lost: bool,
}

/// Blocks in memory that the kernel writes to.
#[derive(Debug)]
struct Region {
    start: NonNull<u8>,
    blocks: usize,
}

// SAFETY: the region is owned by one ring, nothing in it belongs to a thread, and it is read through `&mut Ring` only.
unsafe impl Send for Region {}

/// A block that was handed over; handed back when dropped.
#[derive(Debug)]
pub struct Block<'a> {
    bytes: &'a [u8],
    status: &'a AtomicU32,
}

impl Ring {
    /// Opens a ring of an interface. Nothing comes before [`Ring::start`].
    ///
    /// # Errors
    /// [`OpenError`], with what would mend it.
    pub fn open(interface: &str, options: RingOptions) -> Result<Self, OpenError> {
        let named = || interface.to_owned();
        let fail = |step| {
            move |source| OpenError::System {
                interface: interface.to_owned(),
                step,
                source,
            }
        };
        // Without a protocol nothing is received before it is bound.
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)
            .map_err(|error| match error {
                Errno::PERM | Errno::ACCESS => OpenError::NotPermitted { interface: named() },
                error => fail("make a socket")(error.into()),
            })?;
        let index =
            name_to_index(&socket, interface).map_err(|_| OpenError::NoInterface { interface: named() })?;
        set(
            &socket,
            libc::PACKET_VERSION,
            &(libc::tpacket_versions::TPACKET_V3 as c_int),
        )
        .map_err(fail("ask for the third version of the ring"))?;
        let blocks = (options.bytes / BLOCK_BYTES).max(2);
        set(&socket, libc::PACKET_RX_RING, &request(blocks)).map_err(fail("ask for the ring's memory"))?;
        let region = Region::map(&socket, blocks).map_err(fail("map the ring"))?;
        attach(&socket, &[Instruction::NOTHING]).map_err(fail("shut the gate"))?;
        bind(&socket, index).map_err(fail("bind to the interface"))?;
        match sockopt::socket_error(&socket) {
            Ok(Ok(())) => {}
            Ok(Err(Errno::NETDOWN)) => return Err(OpenError::Down { interface: named() }),
            Ok(Err(error)) | Err(error) => return Err(fail("bind to the interface")(error.into())),
        }
        let hardware = hardware(&socket).map_err(fail("ask what kind of interface it is"))?;
        if ![libc::ARPHRD_ETHER, libc::ARPHRD_LOOPBACK].contains(&hardware) {
            return Err(OpenError::NotEthernet {
                interface: named(),
                hardware,
            });
        }
        join(&socket, options.group).map_err(fail("share packets among threads"))?;
        if options.promiscuous {
            promiscuous(&socket, index).map_err(fail("ask for packets to others"))?;
        }
        Ok(Self {
            socket,
            region,
            filter: options.filter,
            next: 0,
            is_lost: false,
        })
    }

    /// Opens the gate.
    ///
    /// # Errors
    /// If the kernel refuses the filter.
    pub fn start(&mut self) -> io::Result<()> {
        match &self.filter {
            Some(filter) => attach(&self.socket, filter.instructions()),
            None => attach(&self.socket, &[Instruction::ALL]),
        }
    }

    /// The number of the group that it is in.
    ///
    /// # Errors
    /// If it is in none.
    pub fn group(&self) -> io::Result<u16> {
        let group: u32 = get(&self.socket, libc::PACKET_FANOUT)?;
        Ok((group & 0xffff) as u16)
    }

    /// The next block, or none if none came within the time.
    ///
    /// # Errors
    /// [`RingError::Lost`] when the interface is gone: blocks that were handed over come first, and the one that the
    /// kernel had begun.
    pub fn next_block(&mut self, patience: Duration) -> Result<Option<Block<'_>>, RingError> {
        if !self.region.is_ours(self.next) && !self.is_lost {
            self.wait(patience)?;
        }
        if self.is_lost {
            for _ in 0..LAST_LOOKS {
                if self.region.is_ours(self.next) {
                    break;
                }
                // The socket has nothing to say any more, so there is nothing to wait on.
                std::thread::sleep(Duration::from_millis(RETIRE_MS.into()));
            }
        }
        if !self.region.is_ours(self.next) {
            return if self.is_lost {
                Err(RingError::Lost)
            } else {
                Ok(None)
            };
        }
        let at = self.next;
        self.next = (at + 1) % self.region.blocks;
        Ok(Some(self.region.block(at)))
    }

    /// Waits until there may be a block, or the interface is gone.
    fn wait(&mut self, patience: Duration) -> Result<(), RingError> {
        let fd = self.socket.as_fd();
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN | PollFlags::ERR)];
        let timeout = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(patience.subsec_nanos()),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(RingError::System(error.into())),
        }
        let is_wrong = fds
            .iter()
            .any(|fd| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP));
        // What was handed over in the meantime comes first.
        if is_wrong && !self.region.is_ours(self.next) {
            match sockopt::socket_error(&self.socket) {
                Ok(Ok(())) => {}
                Ok(Err(Errno::NETDOWN | Errno::NODEV | Errno::NXIO)) => self.is_lost = true,
                Ok(Err(error)) | Err(error) => return Err(RingError::System(error.into())),
            }
        }
        Ok(())
    }

    /// How many blocks it has.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.region.blocks
    }

    /// What the kernel counted since the last call.
    ///
    /// # Errors
    /// If the system fails.
    pub fn statistics(&self) -> io::Result<Statistics> {
        let counted: libc::tpacket_stats_v3 = get(&self.socket, libc::PACKET_STATISTICS)?;
        Ok(Statistics {
            packets: counted.tp_packets.into(),
            drops: counted.tp_drops.into(),
            freezes: counted.tp_freeze_q_cnt.into(),
        })
    }
}

impl Block<'_> {
    /// Its frames.
    #[must_use]
    pub fn frames(&self) -> Walk<'_> {
        walk(self.bytes)
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        // Whatever was read of it was read before.
        self.status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
    }
}

impl Region {
    fn map(socket: &OwnedFd, blocks: usize) -> io::Result<Self> {
        let bytes = blocks * BLOCK_BYTES;
        // SAFETY: no address is asked for, so no other mapping is touched; the kernel checks that the length is the ring's.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                socket,
                0,
            )?
        };
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { start, blocks })
    }

    /// Who has a block.
    fn status(&self, block: usize) -> &AtomicU32 {
        let at = block % self.blocks * BLOCK_BYTES + STATUS_AT;
        // SAFETY: inside of the mapping, which lives as long as `self`; aligned, because blocks begin at pages; and the
        // word is only ever accessed atomically, by us and by the kernel.
        unsafe { AtomicU32::from_ptr(self.start.as_ptr().add(at).cast()) }
    }

    fn is_ours(&self, block: usize) -> bool {
        self.status(block).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }

    /// A block that is ours.
    fn block(&mut self, block: usize) -> Block<'_> {
        let at = block % self.blocks * BLOCK_BYTES;
        // SAFETY: inside of the mapping, which outlives the borrow of `self`. The kernel writes to no block that it handed
        // over, until `Block::drop` hands it back, and its writes before were acquired with the status. The word of
        // the status, which is written while this is borrowed, lies before the slice.
        let bytes = unsafe {
            let start = self.start.as_ptr().add(at + STATUS_END);
            std::slice::from_raw_parts(start, BLOCK_BYTES - STATUS_END)
        };
        Block {
            bytes,
            status: self.status(block),
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let bytes = self.blocks * BLOCK_BYTES;
        // SAFETY: mapped with this length by `map`, and no borrow of it is left.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), bytes) };
    }
}

fn request(blocks: usize) -> libc::tpacket_req3 {
    let word = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    libc::tpacket_req3 {
        tp_block_size: word(BLOCK_BYTES),
        tp_block_nr: word(blocks),
        tp_frame_size: word(FRAME_BYTES),
        tp_frame_nr: word(blocks * (BLOCK_BYTES / FRAME_BYTES)),
        tp_retire_blk_tov: RETIRE_MS,
        tp_sizeof_priv: 0,
        tp_feature_req_word: 0,
    }
}

/// Puts a filter in the place of the one before.
fn attach(socket: &OwnedFd, instructions: &[Instruction]) -> io::Result<()> {
    let mut program: Vec<libc::sock_filter> = instructions.iter().map(Instruction::raw).collect();
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::INVAL)?,
        filter: program.as_mut_ptr(),
    };
    // The kernel copies the program, which lives until after the call.
    set_at(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// Joins a group in which both directions of a flow, and all fragments of a packet, come to the same member.
fn join(socket: &OwnedFd, group: Group) -> io::Result<()> {
    let kind = libc::PACKET_FANOUT_HASH | libc::PACKET_FANOUT_FLAG_DEFRAG;
    let argument = match group {
        Group::Alone => return Ok(()),
        Group::New => (kind | libc::PACKET_FANOUT_FLAG_UNIQUEID) << 16,
        Group::Join(number) => kind << 16 | u32::from(number),
    };
    set(socket, libc::PACKET_FANOUT, &argument)
}

fn promiscuous(socket: &OwnedFd, index: u32) -> io::Result<()> {
    let membership = libc::packet_mreq {
        mr_ifindex: index.cast_signed(),
        mr_type: libc::PACKET_MR_PROMISC as u16,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set(socket, libc::PACKET_ADD_MEMBERSHIP, &membership)
}

fn bind(socket: &OwnedFd, index: u32) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the address is of the family and length that are said, and lives until after the call.
    let result = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    told(result)
}

/// The kind of the interface that a socket is bound to.
fn hardware(socket: &OwnedFd) -> io::Result<u16> {
    let mut address = libc::sockaddr_ll {
        sll_family: 0,
        sll_protocol: 0,
        sll_ifindex: 0,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let mut length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, all of which are the address', and any bytes are valid in it.
    let result = unsafe { libc::getsockname(socket.as_raw_fd(), (&raw mut address).cast(), &raw mut length) };
    told(result)?;
    Ok(address.sll_hatype)
}

/// Values of socket options: plain numbers, in which any bytes are valid.
trait Plain: Copy {}

impl Plain for c_int {}
impl Plain for u32 {}
impl Plain for libc::tpacket_req3 {}
impl Plain for libc::tpacket_stats_v3 {}
impl Plain for libc::packet_mreq {}
impl Plain for libc::sock_fprog {}

fn set<T: Plain>(socket: &OwnedFd, option: c_int, value: &T) -> io::Result<()> {
    set_at(socket, libc::SOL_PACKET, option, value)
}

fn set_at<T: Plain>(socket: &OwnedFd, level: c_int, option: c_int, value: &T) -> io::Result<()> {
    // SAFETY: the value is as long as is said and lives until after the call; the kernel only reads it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const *value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    told(result)
}

fn get<T: Plain>(socket: &OwnedFd, option: c_int) -> io::Result<T> {
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which are the value's.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            option,
            value.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    told(result)?;
    // SAFETY: zeroed, and any bytes are valid in a `Plain` value that is asked for.
    Ok(unsafe { value.assume_init() })
}

fn told(result: c_int) -> io::Result<()> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
