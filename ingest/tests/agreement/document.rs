//! `docs/agreement.md`.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::{
    count::{Counts, Explained},
    differences,
    suricata::differences as of_suricata,
};

pub(crate) fn write(zeek: &Counts, suricata: &Counts) -> String {
    let mut out = String::from(
        "# Agreement with Zeek and Suricata\n\n\
         What the sensor reads of packets is compared with what Zeek and Suricata read of the same captures, which come with their tests.\n\
         `(record)` is whether there is one at all, whoever is taken for the client.\n\
         The tables are written by `ingest/tests/agreement.rs`, which fails when a difference is neither here nor left out below.\n\n\
         ## Zeek\n\nZeek's own tests have captures and the logs that Zeek makes of them.\nBoth are read here: the captures as the sensor \
         reads packets, the logs as it reads logs.\nWhat both say of one connection is compared, field by field.\n\
         Flows that carry a tunnel are not counted, since they are told with the flow inside.\n\n",
    );
    table(&mut out, zeek);
    explained(&mut out, &differences::EXPLAINED);
    left_out(
        &mut out,
        "By the start of the name of Zeek's folder.",
        &differences::LEFT_OUT,
    );
    out.push_str(
        "\n## Suricata\n\nEach test of suricata-verify has a capture and says which events Suricata must write of it: how many, and what stands in them.\n\
         Each is looked for in what the sensor tells of the capture: the record that has most of it is compared, field by field, and none is taken for two events of one check.\n\
         Of alerts, files and anomalies the ends and what is said of the protocol are compared; what the sensor does not tell at all (rules, files, states of a stream, single commands of SMB, MQTT) is not.\n\
         Flows that carry a tunnel are not counted here either.\n\
         `(client)` is whether the same end is the client, `(count)` whether there are no more and no fewer of what a check describes in full.\n\n",
    );
    table(&mut out, suricata);
    explained(&mut out, &of_suricata::EXPLAINED);
    left_out(
        &mut out,
        "By the start of the test's name.",
        &of_suricata::LEFT_OUT,
    );
    out
}

fn table(out: &mut String, counts: &Counts) {
    out.push_str("| dataset | field | compared | agree |\n|---|---|---|---|\n");
    let (mut agreed, mut all) = (0, 0);
    for ((dataset, field), count) in counts {
        let _ = writeln!(
            out,
            "| `{dataset}` | `{field}` | {} | {} |",
            count.compared(),
            count.agreed
        );
        agreed += count.agreed;
        all += count.compared();
    }
    let percent = 100.0 * f64::from(agreed) / f64::from(all);
    let _ = writeln!(out, "| all | | {all} | {agreed}, {percent:.1} % |");
}

fn explained(out: &mut String, differences: &[Explained]) {
    out.push_str("\n### Differences that stay\n\n| field | why |\n|---|---|\n");
    let reasons: BTreeSet<(&str, &str)> = differences.iter().map(|(field, _, why)| (*field, *why)).collect();
    for (field, why) in reasons {
        let _ = writeln!(out, "| `{field}` | {why} |");
    }
}

fn left_out(out: &mut String, how: &str, names: &[(&str, &str)]) {
    let _ = write!(out, "\n### Left out\n\n{how}\n\n| name | why |\n|---|---|\n");
    for (name, why) in names {
        let _ = writeln!(out, "| `{name}` | {why} |");
    }
}
