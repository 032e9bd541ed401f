//! Runs a filter's program as the kernel does: so that tests, and captures, can be asked what it takes.

use super::code::{
    AND, HAS_TAG, Instruction, JUMP, JUMP_EQUAL, JUMP_GREATER, JUMP_NOT_LESS, LOAD_BYTE, LOAD_HALF,
    LOAD_HALF_BEHIND, LOAD_HEADER_LENGTH, LOAD_WORD, RETURN, TAG,
};

/// What a program returns for a frame: bytes that are wanted of it. Zero, too, when it looks behind the frame's end.
pub(super) fn run(program: &[Instruction], frame: &[u8], tag: Option<u16>) -> u32 {
    step_through(program, frame, tag).unwrap_or(0)
}

fn step_through(program: &[Instruction], frame: &[u8], tag: Option<u16>) -> Option<u32> {
    let (mut a, mut x, mut at) = (0_u32, 0_u32, 0_usize);
    loop {
        // Jumps only go forward, so this ends.
        let instruction = program.get(at)?;
        at += 1;
        let value = instruction.value;
        let pass = |holds: bool| {
            usize::from(if holds {
                instruction.if_true
            } else {
                instruction.if_false
            })
        };
        match instruction.code {
            LOAD_BYTE if value == HAS_TAG => a = u32::from(tag.is_some()),
            LOAD_HALF if value == TAG => a = u32::from(tag.unwrap_or(0)),
            LOAD_WORD => a = u32::from_be_bytes(*chunk(frame, value)?),
            LOAD_HALF => a = u16::from_be_bytes(*chunk(frame, value)?).into(),
            LOAD_BYTE => a = u8::from_be_bytes(*chunk(frame, value)?).into(),
            LOAD_HALF_BEHIND => a = u16::from_be_bytes(*chunk(frame, x.checked_add(value)?)?).into(),
            LOAD_HEADER_LENGTH => x = 4 * u32::from(u8::from_be_bytes(*chunk(frame, value)?) & 0x0f),
            AND => a &= value,
            JUMP => at = at.checked_add(value as usize)?,
            JUMP_EQUAL => at += pass(a == value),
            JUMP_GREATER => at += pass(value < a),
            JUMP_NOT_LESS => at += pass(value <= a),
            RETURN => return Some(value),
            _ => return None,
        }
    }
}

fn chunk<const N: usize>(frame: &[u8], at: u32) -> Option<&[u8; N]> {
    frame.get(at as usize..)?.first_chunk()
}
