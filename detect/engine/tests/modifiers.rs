//! Every modifier, wildcard and escape of Sigma: values that match, and values that nearly do.

#[path = "detection/detection.rs"]
mod detection;

use detection::check_item;

#[test]
fn text() {
    for (item, yes, no) in [
        (
            "f: abc",
            &[
                r#""f":"abc""#,
                r#""f":"ABC""#,
                r#""f":["x","aBc"]"#,
                r#""f":"\u0061bc""#,
            ][..],
            &[
                r#""f":"abcd""#,
                r#""f":"xabc""#,
                r#""f":"""#,
                r#""f":null"#,
                r#""g":"abc""#,
                "",
            ][..],
        ),
        (
            "f|contains: bc",
            &[r#""f":"aBCd""#, r#""f":"bc""#],
            &[r#""f":"b c""#, r#""f":"""#, ""],
        ),
        (
            "f|contains: 42",
            &[r#""f":"a42""#, r#""f":1420"#],
            &[r#""f":"4 2""#, r#""f":402"#],
        ),
        (
            "f|startswith: ab",
            &[r#""f":"ABc""#, r#""f":"ab""#],
            &[r#""f":"xab""#, r#""f":"a""#],
        ),
        (
            "f|endswith: ab",
            &[r#""f":"cAb""#, r#""f":"ab""#],
            &[r#""f":"abx""#, r#""f":"b""#],
        ),
        (
            "f|contains|all: [ab, bc]",
            &[r#""f":"xabcx""#, r#""f":"bc-AB""#, r#""f":["ab","bc"]"#],
            &[r#""f":"ab""#, r#""f":"bc""#],
        ),
        ("f|cased: Ab", &[r#""f":"Ab""#], &[r#""f":"ab""#, r#""f":"AB""#]),
        ("f|contains|cased: Ab", &[r#""f":"xAby""#], &[r#""f":"xaby""#]),
        (
            "f|startswith|cased: A*b",
            &[r#""f":"Axbz""#],
            &[r#""f":"axbz""#, r#""f":"AxBz""#],
        ),
        (
            "f: [abc, xyz]",
            &[r#""f":"xyz""#, r#""f":"abc""#],
            &[r#""f":"ab""#],
        ),
        ("f: ''", &[r#""f":"""#], &[r#""f":" ""#, r#""f":null"#, ""]),
        (
            "f: null",
            &[r#""f":null"#, ""],
            &[r#""f":"""#, r#""f":0"#, r#""f":"null""#],
        ),
        (
            "f: true",
            &[r#""f":true"#, r#""f":"true""#, r#""f":"True""#],
            &[r#""f":false"#, r#""f":"t""#],
        ),
    ] {
        check_item(item, yes, no);
    }
}

#[test]
fn long_lists_of_parts() {
    let words = "[one, two, three, four, five, six, Sjø, 77]";
    check_item(
        &format!("f|contains: {words}"),
        &[
            r#""f":"xSIX""#,
            r#""f":["a","sJØx"]"#,
            r#""f":1770"#,
            r#""f":"\u006fne""#,
            r#""f":[null,"two"]"#,
        ],
        &[r#""f":"si x""#, r#""f":null"#, r#""f":"""#, r#""g":"one""#, ""],
    );
    check_item(
        &format!("f|contains|neq: {words}"),
        &[r#""f":"ten""#],
        &[r#""f":"a two""#, r#""g":"ten""#, ""],
    );
    check_item(
        &format!("f|contains|cased: {words}"),
        &[r#""f":"xsix""#],
        &[r#""f":"SIX""#],
    );
    // The empty text is in every text, but null is no text.
    check_item(
        "f|contains: ['', two, three, four, five, six]",
        &[r#""f":"""#, r#""f":"x""#],
        &[r#""f":null"#, ""],
    );
    check_item(
        "f|contains|all: [one, two, three, four, five, six]",
        &[r#""f":"sixfivefourthreetwoone""#],
        &[r#""f":"fivefourthreetwoone""#],
    );
}

#[test]
fn wildcards_and_escapes() {
    for (item, yes, no) in [
        (
            "f: 'a*c'",
            &[r#""f":"ac""#, r#""f":"aBBc""#, r#""f":"a\nc""#][..],
            &[r#""f":"acd""#, r#""f":"bac""#][..],
        ),
        (
            "f: 'a?c'",
            &[r#""f":"abc""#, r#""f":"aøc""#, r#""f":"a\nc""#],
            &[r#""f":"ac""#, r#""f":"abbc""#],
        ),
        (
            "f: '*b*d*'",
            &[r#""f":"abcd""#, r#""f":"bd""#, r#""f":"bbdb""#],
            &[r#""f":"db""#],
        ),
        (
            r"f: 'a\*c'",
            &[r#""f":"a*c""#],
            &[r#""f":"abc""#, r#""f":"a\\*c""#],
        ),
        (r"f: 'a\?c'", &[r#""f":"a?c""#], &[r#""f":"abc""#]),
        (
            r"f: 'a\\*c'",
            &[r#""f":"a\\c""#, r#""f":"a\\xyzc""#],
            &[r#""f":"a*c""#, r#""f":"abc""#],
        ),
        (r"f: 'a\\\*c'", &[r#""f":"a\\*c""#], &[r#""f":"a\\xc""#]),
        (r"f: 'a\c'", &[r#""f":"a\\c""#, r#""f":"A\\C""#], &[r#""f":"ac""#]),
        (
            r"f|endswith: '\cmd.exe'",
            &[r#""f":"C:\\x\\CMD.exe""#, r#""f":"\u005ccmd\u002eexe""#],
            &[r#""f":"xcmd.exe""#],
        ),
        (
            "f|contains: 'a*c'",
            &[r#""f":"xxaYYczz""#],
            &[r#""f":"xxcYYazz""#],
        ),
        (
            "f|startswith: 'a?c'",
            &[r#""f":"abcz""#],
            &[r#""f":"zabc""#, r#""f":"acz""#],
        ),
        ("f|endswith: 'a?c'", &[r#""f":"zabc""#], &[r#""f":"abcz""#]),
        (
            "f: '*'",
            &[r#""f":"""#, r#""f":"x""#, r#""f":7"#],
            &[r#""f":null"#, ""],
        ),
        ("f: '?*'", &[r#""f":"x""#, r#""f":"xy""#], &[r#""f":"""#]),
    ] {
        check_item(item, yes, no);
    }
}

#[test]
fn case_is_unicode() {
    for (item, yes, no) in [
        (
            "f: BLÅBÆRSYLTETØY",
            &[r#""f":"blåbærsyltetøy""#, r#""f":"Blåbærsyltetøy""#][..],
            &[r#""f":"blabærsyltetøy""#][..],
        ),
        (
            "f|contains: пароль",
            &[r#""f":"мой ПАРОЛЬ""#],
            &[r#""f":"парол""#],
        ),
        (
            "f: σίσυφος",
            &[r#""f":"ΣΊΣΥΦΟΣ""#, r#""f":"Σίσυφοσ""#],
            &[r#""f":"σίσυφο""#],
        ),
        ("f|cased: Ø", &[r#""f":"Ø""#, r#""f":"\u00d8""#], &[r#""f":"ø""#]),
        ("f|startswith: 'Ø?x'", &[r#""f":"øæX!""#], &[r#""f":"øx""#]),
        (
            "f: 😀",
            &[r#""f":"😀""#, r#""f":"\ud83d\ude00""#],
            &[r#""f":"😁""#],
        ),
    ] {
        check_item(item, yes, no);
    }
}

#[test]
fn regular_expressions() {
    for (item, yes, no) in [
        (
            "f|re: 'a.c'",
            &[r#""f":"xabcx""#][..],
            &[r#""f":"ABC""#, r#""f":"a\nc""#, ""][..],
        ),
        ("f|re: '^a$'", &[r#""f":"a""#], &[r#""f":"b\na""#, r#""f":"aa""#]),
        ("f|re|i: 'a.c'", &[r#""f":"ABC""#], &[r#""f":"AC""#]),
        (
            "f|re|m: '^a$'",
            &[r#""f":"b\na""#],
            &[r#""f":"b\nA""#, r#""f":"ba""#],
        ),
        ("f|re|s: 'a.c'", &[r#""f":"a\nc""#], &[r#""f":"A\nC""#]),
        ("f|re|i|s: 'a.c'", &[r#""f":"A\nC""#], &[r#""f":"AC""#]),
        (
            "f|re: ['^x', 'y$']",
            &[r#""f":"xa""#, r#""f":"ay""#],
            &[r#""f":"ax""#],
        ),
        ("f|re|all: ['^x', 'y$']", &[r#""f":"xy""#], &[r#""f":"xa""#]),
        (
            r"f|re: '\d{3}'",
            &[r#""f":12345"#, r#""f":"a123""#],
            &[r#""f":12"#],
        ),
    ] {
        check_item(item, yes, no);
    }
}

#[test]
fn prefixes_of_addresses() {
    for (item, yes, no) in [
        (
            "f|cidr: 192.0.2.0/24",
            &[
                r#""f":"192.0.2.255""#,
                r#""f":"::ffff:192.0.2.7""#,
                r#""f":["x","192.0.2.1"]"#,
            ][..],
            &[
                r#""f":"192.0.3.0""#,
                r#""f":"192.0.2.1x""#,
                r#""f":"::ffff:192.0.3.7""#,
                r#""f":"2001:db8::1""#,
                "",
            ][..],
        ),
        (
            "f|cidr: '2001:db8::/32'",
            &[r#""f":"2001:db8:ffff::1""#, r#""f":"2001:0DB8:0:0::1""#],
            &[r#""f":"2001:db9::1""#, r#""f":"192.0.2.1""#],
        ),
        (
            "f|cidr: [10.0.0.0/8, 'fe80::/10']",
            &[r#""f":"10.1.2.3""#, r#""f":"febf::1""#],
            &[r#""f":"11.0.0.0""#, r#""f":"fec0::1""#],
        ),
    ] {
        check_item(item, yes, no);
    }
}

#[test]
fn encodings() {
    for (item, yes, no) in [
        // "Varde" is VmFyZGU= in base64.
        (
            "f|base64: Varde",
            &[r#""f":"VmFyZGU=""#][..],
            &[r#""f":"VmFyZGU""#, r#""f":"xVmFyZGU=""#][..],
        ),
        (
            "f|base64|contains: Varde",
            &[r#""f":"-e VmFyZGU= x""#],
            &[r#""f":"VmFyZG""#],
        ),
        // At the three offsets, with "/usr/bin/" after nothing, one and two characters.
        (
            "f|base64offset|contains: /usr/bin/",
            &[
                r#""f":"L3Vzci9iaW4v""#,
                r#""f":"eC91c3IvYmluLw==""#,
                r#""f":"eHgvdXNyL2Jpbi8=""#,
            ],
            &[r#""f":"L3Vzci9sb2NhbC8=""#],
        ),
        // UTF-16, little-endian, in base64: "ping" is cABpAG4AZwA=.
        (
            "f|wide|base64: ping",
            &[r#""f":"cABpAG4AZwA=""#],
            &[r#""f":"cGluZw==""#],
        ),
        (
            "f|utf16le|base64: ping",
            &[r#""f":"cABpAG4AZwA=""#],
            &[r#""f":"AHAAaQBuAGc=""#],
        ),
        (
            "f|utf16be|base64: ping",
            &[r#""f":"AHAAaQBuAGc=""#],
            &[r#""f":"cABpAG4AZwA=""#],
        ),
        (
            "f|utf16|base64: ping",
            &[r#""f":"//5wAGkAbgBnAA==""#],
            &[r#""f":"cABpAG4AZwA=""#],
        ),
        (
            "f|wide|base64offset|contains: ping",
            &[r#""f":"xxcABpAG4AZw""#, r#""f":"eABwAGkAbgBnAA==""#],
            &[r#""f":"cGluZw==""#],
        ),
    ] {
        check_item(item, yes, no);
    }
}

#[test]
fn dashes() {
    check_item(
        "f|windash|contains: ' -enc'",
        &[
            r#""f":"p -enc x""#,
            r#""f":"p /ENC x""#,
            r#""f":"p –enc""#,
            r#""f":"p —enc""#,
            r#""f":"p ―enc""#,
            r#""f":"p \u2013enc""#,
        ],
        &[r#""f":"p enc""#, r#""f":"p +enc""#],
    );
    // A flag is one after whichever of them the rule has it; what is within a word is no flag.
    for (item, yes, no) in [
        (
            "f|contains|windash: ' /create '",
            &[
                r#""f":"schtasks.exe -create -tn x""#,
                r#""f":"schtasks.exe /CREATE /tn x""#,
                r#""f":"schtasks.exe \u2015create -tn x""#,
            ][..],
            &[
                r#""f":"schtasks.exe create""#,
                r#""f":"schtasks.exe \\create -tn x""#,
            ][..],
        ),
        (
            "f|windash: '/a -b'",
            &[r#""f":"-a /b""#, r#""f":"/a /b""#, r#""f":"–a —b""#],
            &[r#""f":"/a b""#],
        ),
        (
            "f|windash: '-param-name'",
            &[r#""f":"/param-name""#],
            &[r#""f":"-param/name""#, r#""f":"/param–name""#],
        ),
        (
            "f|windash|contains: 'start/min'",
            &[r#""f":"start/min""#],
            &[r#""f":"start-min""#],
        ),
        (
            "f|windash|contains: 'run -'",
            &[r#""f":"run /x""#, r#""f":"run -x""#],
            &[r#""f":"run x""#],
        ),
        (
            "f|windash|endswith: 'run -'",
            &[r#""f":"run -""#],
            &[r#""f":"run /""#],
        ),
    ] {
        check_item(item, yes, no);
    }
    check_item(
        "f|windash|contains|all: [' -a', ' -b']",
        &[r#""f":"x /a –b""#, r#""f":"x -b /a""#],
        &[r#""f":"x /a /c""#, r#""f":"x -b""#],
    );
}

#[test]
fn presence_and_other_fields() {
    for (item, yes, no) in [
        (
            "f|exists: true",
            &[r#""f":"""#, r#""f":0"#, r#""f":false"#][..],
            &[r#""f":null"#, "", r#""ff":1"#][..],
        ),
        (
            "f|exists: false",
            &[r#""f":null"#, "", r#""ff":1"#],
            &[r#""f":"""#, r#""f":0"#],
        ),
        (
            "f|fieldref: g",
            &[r#""f":"a","g":"A""#, r#""f":["x","y"],"g":"y""#],
            &[r#""f":"a","g":"b""#, r#""f":"a""#, r#""g":"a""#, ""],
        ),
        (
            "f|fieldref|cased: g",
            &[r#""f":"a","g":"a""#],
            &[r#""f":"a","g":"A""#],
        ),
        (
            "f|fieldref|startswith: g",
            &[r#""f":"abc","g":"AB""#],
            &[r#""f":"abc","g":"bc""#],
        ),
        (
            "f|fieldref|endswith: g",
            &[r#""f":"abc","g":"BC""#],
            &[r#""f":"abc","g":"ab""#],
        ),
        (
            "f|fieldref|contains: g",
            &[r#""f":"abcd","g":"bc""#],
            &[r#""f":"abcd","g":"ac""#],
        ),
        (
            "f|neq: a",
            &[r#""f":"b""#, r#""f":"""#],
            &[r#""f":"a""#, r#""f":"A""#, "", r#""f":["b","a"]"#],
        ),
    ] {
        check_item(item, yes, no);
    }
}

#[test]
fn numbers() {
    for (item, yes, no) in [
        (
            "f: 42",
            &[r#""f":42"#, r#""f":"42""#, r#""f":42.0"#][..],
            &[r#""f":43"#, r#""f":"42x""#, r#""f":null"#, ""][..],
        ),
        ("f: '42'", &[r#""f":42"#, r#""f":"42""#], &[r#""f":"042""#]),
        (
            "f|lt: 10",
            &[r#""f":9"#, r#""f":"9.5""#, r#""f":-1"#],
            &[r#""f":10"#, r#""f":"ten""#, ""],
        ),
        ("f|lte: 10", &[r#""f":10"#, r#""f":"10""#], &[r#""f":10.01"#]),
        (
            "f|gt: 10",
            &[r#""f":11"#, r#""f":"1e2""#],
            &[r#""f":10"#, r#""f":"9""#, r#""f":true"#],
        ),
        (
            "f|gte: 10",
            &[r#""f":10"#, r#""f":[1,10]"#],
            &[r#""f":9.99"#, r#""f":null"#],
        ),
        (
            "f: 18446744073709551615",
            &[r#""f":18446744073709551615"#],
            &[r#""f":1"#],
        ),
        ("f: -1", &[r#""f":-1"#, r#""f":"-1""#], &[r#""f":1"#]),
        ("f: 0.5", &[r#""f":0.5"#, r#""f":".5""#], &[r#""f":0"#]),
    ] {
        check_item(item, yes, no);
    }
}

#[test]
fn parts_of_a_time() {
    // A Sunday, in week 53 of 2026; with an offset, the parts are those of the time in UTC.
    let time = r#""f":"2027-01-03T23:45:06Z""#;
    let same = r#""f":"2027-01-04T01:45:06+02:00""#;
    for (item, wrong) in [
        ("f|minute: 45", "f|minute: 44"),
        ("f|hour: 23", "f|hour: 1"),
        ("f|day: 3", "f|day: 4"),
        ("f|week: 53", "f|week: 1"),
        ("f|month: 1", "f|month: 12"),
        ("f|year: 2027", "f|year: 2026"),
    ] {
        check_item(item, &[time, same], &[r#""f":"yesterday""#, ""]);
        check_item(wrong, &[], &[time, same]);
    }
}
