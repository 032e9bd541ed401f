//! Datagrams of NetFlow v5 and v9, IPFIX and sFlow.

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn length(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).unwrap_or(0)
}

fn set(number: u16, body: &[u8]) -> Vec<u8> {
    [numbers(&[number, length(body) + 4]), body.to_vec()].concat()
}

/// When it was sent, in seconds since 1970, and the rest of the header.
const SENT: [u8; 12] = [0x69, 0xa5, 0x46, 0x80, 0, 0, 0, 1, 0, 0, 0, 9];

/// By exporter: the second has a template after the records, and a restart in between.
pub(super) fn datagrams() -> Vec<Vec<(u8, Vec<u8>)>> {
    let template = numbers(&[300, 7, 27, 16, 28, 16, 7, 2, 11, 2, 4, 1, 1, 8, 82, 0xffff]);
    let fixed = numbers(&[301, 6, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 1, 4]);
    let record = [
        &[0x20; 32][..],
        &[1, 0, 1, 187, 6],
        &[0, 0, 0, 0, 0, 0, 7, 9, 3],
        b"eth",
    ]
    .concat();
    let four = [192, 0, 2, 1, 198, 51, 100, 2, 1, 0, 0, 53, 17, 0, 0, 1, 0];
    let ipfix = |sets: &[Vec<u8>]| {
        let body = sets.concat();
        [&numbers(&[10, length(&body) + 16])[..], &SENT, &body].concat()
    };
    let netflow9 = |sets: &[Vec<u8>]| [&[0, 9, 0, 1, 0, 1, 0, 0][..], &SENT, &sets.concat()].concat();
    let options = set(3, &numbers(&[400, 2, 1, 302, 4, 305, 4]));
    let sampling = set(400, &[0, 0, 0, 1, 0, 0, 0, 9]);
    let netflow5 = [
        &[0, 5, 0, 1, 0, 1, 0, 0][..],
        &SENT,
        &[0, 0, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2],
        &[7; 40],
    ]
    .concat();
    vec![
        vec![(
            0,
            ipfix(&[set(2, &template), options, sampling, set(300, &record)]),
        )],
        vec![
            (1, netflow9(&[set(301, &four)])),
            (1, netflow9(&[set(0, &fixed)])),
            (5, netflow9(&[set(301, &four)])),
        ],
        vec![(0, netflow5)],
        vec![(0, sflow())],
    ]
}

/// A sampled header, sampled IPv4, and counters.
fn sflow() -> Vec<u8> {
    let frame = [
        &[2; 12][..],
        &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64],
        &[0x20; 32],
        &[
            0x9c, 0x40, 1, 187, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0,
        ],
    ]
    .concat();
    let bytes = u32::from(length(&frame));
    let padding = vec![0; frame.len().next_multiple_of(4) - frame.len()];
    let header = [words(&[1, 74, 4, bytes]), frame, padding].concat();
    let ipv4 = words(&[60, 17, 0xc000_0201, 0xc633_6402, 53, 40_000, 0, 0]);
    let sample = |format: u32, record: &[u8]| {
        let head = words(&[1, 3, 100, 100, 0, 1, 2, 1, format, length(record).into()]);
        let body = [head, record.to_vec()].concat();
        [words(&[1, length(&body).into()]), body].concat()
    };
    let head = [words(&[5, 2]), vec![0x20; 16], words(&[0, 1, 1_000, 3])].concat();
    let counters = words(&[2, 4, 7]);
    [head, sample(1, &header), sample(3, &ipv4), counters].concat()
}
