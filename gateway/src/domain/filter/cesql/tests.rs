//! What expressions say of events, as tables.

use super::*;
use crate::domain::clock::Timestamp;
use crate::domain::event::{Attributes, ExtensionValue};

fn attributes() -> Attributes {
    Attributes {
        producer_id: Some("42".into()),
        source: Some("https://shop.example/eu".into()),
        subject: Some("orders/7".into()),
        time: Some(Timestamp::from_ms(1_600_000_000_000)),
        extensions: vec![
            ("hop".into(), ExtensionValue::Text("3".into())),
            ("ttl".into(), ExtensionValue::Integer(8)),
            ("urgent".into(), ExtensionValue::Boolean(true)),
            (
                "note".into(),
                ExtensionValue::Text("it's 100% \\ ok".into()),
            ),
        ],
        ..Attributes::default()
    }
}

fn evaluated(text: &str) -> Result<Value<'static>, String> {
    // A literal alone is no filter; in brackets of INT, BOOL or STRING it is asked for by type.
    let root = parser::parse_any(text).map_err(|error| error.to_string())?;
    let attributes = attributes();
    let candidate = Candidate::new("order.shipped", &attributes, b"");
    let value = root
        .evaluate(&candidate)
        .map_err(|error| error.to_string())?;
    Ok(match value {
        Value::String(text) => Value::String(text.into_owned().into()),
        Value::Integer(number) => Value::Integer(number),
        Value::Boolean(value) => Value::Boolean(value),
    })
}

fn text(text: &'static str) -> Value<'static> {
    text.into()
}

fn assert_values(table: &[(&str, Value<'static>)]) {
    for (expression, expected) in table {
        assert_eq!(evaluated(expression).as_ref(), Ok(expected), "{expression}");
    }
}

#[test]
fn literals_and_operators_have_these_values() {
    use Value::{Boolean as B, Integer as I};
    assert_values(&[
        ("true", B(true)),
        ("FaLsE", B(false)),
        ("7", I(7)),
        ("+7", I(7)),
        ("-2147483648", I(i32::MIN)),
        ("--7", I(7)),
        ("-'7'", I(-7)),
        ("-TRUE", I(-1)),
        ("'it\\'s \"so\"'", text("it's \"so\"")),
        ("\"it's \\\"so\\\"\"", text("it's \"so\"")),
        ("'a\\b'", text("a\\b")),
        ("1 + 2 * 3 - 4", I(3)),
        ("(1 + 2) * 3", I(9)),
        ("7 / 2", I(3)),
        ("-7 / 2", I(-3)),
        ("-7 % 3", I(-1)),
        ("'5' + TRUE", I(6)),
        ("1 = 1", B(true)),
        ("1 <> 1", B(false)),
        ("1 != 2", B(true)),
        ("2 <= 2", B(true)),
        ("3 > '2'", B(true)),
        ("'10' = 10", B(true)),
        ("10 = '10'", B(true)),
        ("true = 'TRUE'", B(false)),
        ("'TRUE' = true", B(true)),
        ("true AND false", B(false)),
        ("true XOR true", B(false)),
        ("false AND 1 / 0 = 1", B(false)),
        ("true OR 1 / 0 = 1", B(true)),
        // One rank, from left to right.
        ("true OR true AND false", B(false)),
        ("true OR (true AND false)", B(true)),
        // NOT binds closest.
        ("NOT 1 = 2", B(false)),
        ("NOT EXISTS nothing", B(true)),
        ("NOT 10", B(false)),
    ]);
}

#[test]
fn attributes_have_these_values() {
    use Value::{Boolean as B, Integer as I};
    assert_values(&[
        ("EXISTS subject", B(true)),
        ("EXISTS SOURCE", B(true)),
        ("EXISTS dataschema", B(false)),
        ("type", text("order.shipped")),
        ("specversion = '1.0'", B(true)),
        ("datacontenttype", text("application/json")),
        ("time", text("2020-09-13T12:26:40Z")),
        ("hop < ttl", B(true)),
        ("int(hop) + INT(ttl)", I(11)),
        ("urgent", B(true)),
        ("id = 42 AND urgent", B(true)),
        ("subject LIKE 'orders/_'", B(true)),
        ("subject NOT LIKE 'orders/%'", B(false)),
        ("subject LIKE 'ORDERS/%'", B(false)),
        ("note LIKE '%100\\% \\ ok'", B(true)),
        ("note LIKE '%100\\_%'", B(false)),
        ("ttl LIKE '8'", B(true)),
        ("'azzzbzzzc' LIKE 'a%b%c'", B(true)),
        ("'ab' LIKE 'a%b%c'", B(false)),
        ("'' LIKE '%'", B(true)),
        ("type IN ('a', type)", B(true)),
        ("ttl IN ('8', '9')", B(true)),
        ("hop NOT IN (1, 2)", B(true)),
        ("TRUE IN ('true')", B(true)),
        ("'TRUE' IN (TRUE)", B(false)),
    ]);
}

#[test]
fn functions_have_these_values() {
    use Value::{Boolean as B, Integer as I};
    assert_values(&[
        ("BOOL('false')", B(false)),
        ("BOOL(7)", B(true)),
        ("STRING(TRUE)", text("true")),
        ("INT(FALSE)", I(0)),
        ("ABS(-5)", I(5)),
        ("LENGTH('größe')", I(5)),
        ("LENGTH(TRUE)", I(4)),
        ("CONCAT()", text("")),
        ("CONCAT('a', 1, true)", text("a1true")),
        ("CONCAT_WS('-', 'a', 'b')", text("a-b")),
        ("CONCAT_WS('-')", text("")),
        ("LOWER('ÄB')", text("äb")),
        ("upper('äb')", text("ÄB")),
        ("TRIM('  a b ')", text("a b")),
        ("LEFT('größe', 3)", text("grö")),
        ("LEFT('ab', 9)", text("ab")),
        ("RIGHT('größe', 3)", text("öße")),
        ("SUBSTRING('größe', 3)", text("öße")),
        ("SUBSTRING('größe', -2, 1)", text("ß")),
        ("SUBSTRING('größe', 2, 99)", text("röße")),
        ("SUBSTRING('größe', 0)", text("")),
    ]);
}

#[test]
fn what_goes_wrong_on_the_way_lets_nothing_pass() {
    for (expression, cause) in [
        ("missing = ''", "no attribute missing"),
        ("missing != 2", "no attribute missing"),
        ("NOT missing", "no attribute missing"),
        ("1 / missing", "no attribute missing"),
        ("true AND missing LIKE '%'", "no attribute missing"),
        ("1 / 0 = 0", "division"),
        ("1 != 1 / 0", "division"),
        ("5 % 0 = 0", "division"),
        ("2147483647 + 1 > 0", "32 bits"),
        ("ABS(-2147483648) > 0", "32 bits"),
        ("subject > 1", "is not an integer"),
        ("subject AND true", "is not a boolean"),
        ("subject = true", "is not a boolean"),
        ("1 IN ('x', '1')", "is not an integer"),
        ("LEFT(subject, -1) = 'x'", "negative"),
        ("SUBSTRING(subject, 99) = ''", "outside"),
        ("SUBSTRING(subject, 1, -1) = ''", "negative"),
    ] {
        let error = evaluated(expression).expect_err(expression);
        assert!(error.contains(cause), "{expression}: {error}");
        let attributes = attributes();
        let candidate = Candidate::new("order.shipped", &attributes, b"");
        if let Ok(filter) = Expression::parse(expression) {
            assert!(!filter.holds(&candidate), "{expression}");
            assert!(filter.explain(&candidate).contains(cause));
        }
    }
}

#[test]
fn what_is_no_expression_is_refused_with_its_place() {
    let deep = format!("{}true{}", "(".repeat(65), ")".repeat(65));
    let nots = format!("{}true", "NOT ".repeat(65));
    let long = format!("subject = '{}'", "x".repeat(MAX_BYTES));
    for (expression, cause) in [
        ("", "a value"),
        ("subject =", "unexpected end at position 9"),
        ("subject = 'x", "position 10 that does not end"),
        ("subject = 'x' 'y'", "position 14"),
        ("(true", ")"),
        ("true)", "an operator or the end"),
        ("subject LIKE type", "a literal text"),
        ("subject LIKE CONCAT('a', 'b')", "a literal text"),
        ("subject IN ()", "a value"),
        ("subject IN 'a'", "("),
        ("EXISTS 'a'", "the name of an attribute"),
        ("and AND or", "the name of an attribute"),
        ("my_ext = 1", "the name of an attribute"),
        ("subject == 'a'", "a value"),
        ("a ; b", "';' at position 2"),
        ("2147483648 = 1", "no integer of 32 bits"),
        ("NOW() = 1", "calls NOW"),
        ("LENGTH() = 1", "calls LENGTH"),
        ("CONCAT_WS() = ''", "calls CONCAT_WS"),
        ("1 + 1", "always an integer"),
        ("UPPER(subject)", "always a string"),
        ("'true'", "always a string"),
        (&deep, "nested deeper"),
        (&nots, "nested deeper"),
        (&long, "2048 are allowed"),
    ] {
        let error = Expression::parse(expression)
            .expect_err(expression)
            .to_string();
        assert!(error.contains(cause), "{expression}: {error}");
    }
}

#[test]
fn a_long_match_stays_cheap() {
    let pattern = format!("'{}b'", "%a".repeat(200));
    let expression = Expression::parse(&format!("subject LIKE {pattern}")).unwrap();
    let attributes = Attributes {
        subject: Some("a".repeat(1024).into()),
        ..Attributes::default()
    };
    let candidate = Candidate::new("t", &attributes, b"");
    let begun = std::time::Instant::now();
    for _ in 0..100 {
        assert!(!expression.holds(&candidate));
    }
    let each = begun.elapsed() / 100;
    assert!(each < std::time::Duration::from_millis(20), "{each:?}");
}
