//! `docs/agreement.md`.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    asked::{ASKED, SHORT, share, sides},
    count::{Counts, Explained, is_field, sum},
    differences,
    suricata::differences as of_suricata,
};

pub(crate) fn write(zeek: &Counts, suricata: &Counts) -> String {
    let mut out = String::from(
        "# Agreement with Zeek and Suricata\n\n\
         What the sensor reads of packets is compared with what Zeek and Suricata read of the same captures, which come with their tests.\n\
         The tables are written by `ingest/tests/agreement.rs`, which fails when a difference is neither here nor left out below, and when less agrees than is said here.\n\n\
         `(record)` is whether there is one at all, of flows whose ends are said `(tuple)`; `(client)` whether the same end is the client; \
         `(count)` whether there are no more and no fewer of what a check describes in full.\n\
         Ends are what a record is looked for by, so they are not counted as fields. Of a record that is missing each field counts as one that differs.\n\
         Flows that carry a tunnel (IP in IP, GRE, and UDP to the ports of VXLAN, Geneve, Teredo, GRE, GTP-U and AYIYA) are not counted, since they are told with the flow inside.\n\n",
    );
    asked(&mut out, zeek, suricata);
    out.push_str(
        "\n## Zeek\n\nZeek's own tests have captures and the logs that Zeek makes of them.\nBoth are read here: the captures as the sensor \
         reads packets, the logs as it reads logs.\nWhat both say of one connection is compared, field by field.\n\n",
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
         Of alerts, files and anomalies the ends and what is said of the protocol are compared; what the sensor does not tell at all (rules, files, states of a stream, single commands of SMB, MQTT) is not.\n\n",
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

/// What has to agree, and what does.
fn asked(out: &mut String, zeek: &Counts, suricata: &Counts) {
    out.push_str("| what | at least | Zeek | Suricata | both |\n|---|---|---|---|---|\n");
    for asked in &ASKED {
        let _ = write!(out, "| {} | {} % |", asked.what, 100.0 * asked.bar);
        for (_, counts) in sides(zeek, suricata) {
            let _ = write!(out, " {:.2} % |", 100.0 * share(sum(&counts, &asked.of)));
        }
        out.push('\n');
    }
    if !SHORT.is_empty() {
        out.push_str("\nOf one of them alone this falls short:\n\n");
    }
    for (what, sides, why) in SHORT {
        let _ = writeln!(out, "- {what} ({}): {why}.", sides.join(", "));
    }
}

fn table(out: &mut String, counts: &Counts) {
    out.push_str("| dataset | field | compared | agree |\n|---|---|---|---|\n");
    for ((dataset, field), count) in counts {
        let _ = writeln!(
            out,
            "| `{dataset}` | `{field}` | {} | {} |",
            count.compared(),
            count.agreed
        );
    }
    let fields = sum(&[counts], &|_, field| is_field(field));
    let all = sum(&[counts], &|_, _| true);
    for (what, (agreed, compared)) in [("fields alone", fields), ("all", all)] {
        let percent = 100.0 * f64::from(agreed) / f64::from(compared);
        let _ = writeln!(out, "| {what} | | {compared} | {agreed}, {percent:.2} % |");
    }
}

fn explained(out: &mut String, differences: &[Explained]) {
    out.push_str("\n### Differences that stay\n\n| field | how many | why |\n|---|---|---|\n");
    let mut reasons: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for known in differences {
        for (field, number) in known.fields {
            *reasons.entry((field, known.why)).or_default() += number;
        }
    }
    for ((field, why), number) in reasons {
        let _ = writeln!(out, "| `{field}` | {number} | {why} |");
    }
}

fn left_out(out: &mut String, how: &str, names: &[(&str, &str)]) {
    let _ = write!(out, "\n### Left out\n\n{how}\n\n| name | why |\n|---|---|\n");
    for (name, why) in names {
        let _ = writeln!(out, "| `{name}` | {why} |");
    }
}
