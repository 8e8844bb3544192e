//! The invoice as a PDF: A4, as many pages as its lines need. Nothing in it comes from a clock or from chance: the same
//! job under the same number and of the same seller has the same bytes.
//!
//! The fonts are of the fourteen that every reader has. They know the letters of Western Europe; any other is printed as
//! `?`.

use std::iter::repeat_n;

use dashpot::day;
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr};
use shop_events::{Line, Money, WriteInvoice};

use crate::seller::Seller;

const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 56.0;
const LEADING: f32 = 14.0;
const SIZE: f32 = 10.0;
/// How many rows a page has.
const ROWS: usize = 50;
/// How many letters the first column has. All four are 80, which is what the width takes.
const WHAT: usize = 36;
const PLAIN: Name<'static> = Name(b"F1");
const BOLD: Name<'static> = Name(b"F2");

/// A row of a page.
#[derive(Debug, Clone, Default)]
struct Row {
    text: String,
    bold: bool,
    /// A rule above it.
    ruled: bool,
}

/// The invoice.
#[must_use]
pub fn pdf(job: &WriteInvoice, number: &str, seller: &Seller) -> Vec<u8> {
    let pages = pages(job, seller);
    let mut refs = (1..).map(Ref::new);
    let mut next = || refs.next().unwrap_or(Ref::new(i32::MAX));
    let (catalog, tree, info, plain, bold) = (next(), next(), next(), next(), next());
    let ids: Vec<(Ref, Ref)> = pages.iter().map(|_| (next(), next())).collect();

    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree);
    let count = i32::try_from(ids.len()).unwrap_or(i32::MAX);
    pdf.pages(tree).kids(ids.iter().map(|id| id.0)).count(count);
    let title = format!("Invoice {number}");
    pdf.document_info(info).title(TextStr(&title));
    for (id, font) in [(plain, &b"Courier"[..]), (bold, b"Courier-Bold")] {
        let mut declared = pdf.type1_font(id);
        declared.base_font(Name(font));
        declared.encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    for (at, (rows, (page_id, content_id))) in pages.iter().zip(&ids).enumerate() {
        let mut page = pdf.page(*page_id);
        page.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT));
        page.parent(tree);
        page.contents(*content_id);
        let mut resources = page.resources();
        resources.fonts().pair(PLAIN, plain).pair(BOLD, bold);
        resources.finish();
        page.finish();
        let mut content = Content::new();
        show(&mut content, HEIGHT - MARGIN, BOLD, 16.0, &title);
        for (at, row) in (2_u8..).zip(rows) {
            draw(&mut content, HEIGHT - MARGIN - LEADING * f32::from(at), row);
        }
        let foot = format!("Page {} of {}", at + 1, ids.len());
        show(&mut content, MARGIN - LEADING, PLAIN, SIZE, &foot);
        pdf.stream(*content_id, &content.finish());
    }
    pdf.finish()
}

fn draw(content: &mut Content, y: f32, row: &Row) {
    if row.ruled {
        let above = y + LEADING - 3.5;
        content.set_line_width(0.5).move_to(MARGIN, above);
        content.line_to(WIDTH - MARGIN, above).stroke();
    }
    let font = if row.bold { BOLD } else { PLAIN };
    show(content, y, font, SIZE, &row.text);
}

fn show(content: &mut Content, y: f32, font: Name<'_>, size: f32, text: &str) {
    content.begin_text().set_font(font, size);
    content.next_line(MARGIN, y).show(Str(&winansi(text)));
    content.end_text();
}

/// The rows of each page: who and what for, the lines, and what they come to, which is never torn apart.
fn pages(job: &WriteInvoice, seller: &Seller) -> Vec<Vec<Row>> {
    let plain = |text: String| Row {
        text,
        ..Row::default()
    };
    let mut page: Vec<Row> = seller.lines().map(|line| plain(line.to_owned())).collect();
    let customer = job.customer.as_ref();
    let customer = customer.map_or(job.user_id.as_str(), |it| it.email.expose());
    page.extend([
        Row::default(),
        plain(format!("Date      {}", day(job.captured_at))),
        plain(format!("Order     {}", job.order_id)),
        plain(format!("Customer  {customer}")),
        Row::default(),
    ]);
    page.extend(heading());
    let (net, tax) = seller.split(job.total);
    let sum = |what: &str, amount: Money, ruled| Row {
        text: columns(what, "", "", &amount.to_string()),
        bold: what == "Total, paid",
        ruled,
    };
    let sums = vec![
        sum("Net", net, true),
        sum(&format!("Tax {} %", seller.tax_percent), tax, false),
        sum("Total, paid", job.total, true),
    ];
    let mut pages = Vec::new();
    for rows in job.items.iter().map(line).chain([sums]) {
        if page.len() + rows.len() > ROWS {
            pages.push(std::mem::replace(&mut page, heading().into()));
        }
        page.extend(rows);
    }
    pages.push(page);
    pages
}

fn heading() -> [Row; 2] {
    let text = columns("Item", "Quantity", "Price", "Amount");
    let heading = Row {
        text,
        bold: true,
        ruled: false,
    };
    let below = Row {
        ruled: true,
        ..Row::default()
    };
    [heading, below]
}

/// One line of the order, in as many rows as its name needs.
fn line(line: &Line) -> Vec<Row> {
    let amount = line
        .unit_price
        .and_then(|it| it.checked_mul(line.quantity.get()));
    let [price, amount] =
        [line.unit_price, amount].map(|it| it.map_or("-".to_owned(), |it| it.to_string()));
    let letters: Vec<char> = line.sku.as_str().chars().collect();
    let mut names: Vec<String> = letters.chunks(WHAT).map(String::from_iter).collect();
    let last = names.pop().unwrap_or_default();
    let last = columns(&last, &line.quantity.to_string(), &price, &amount);
    let text = |text| Row {
        text,
        ..Row::default()
    };
    names.into_iter().chain([last]).map(text).collect()
}

fn columns(what: &str, quantity: &str, price: &str, amount: &str) -> String {
    let blank: String = repeat_n(' ', WHAT.saturating_sub(what.chars().count())).collect();
    format!("{what}{blank}{quantity:>10}{price:>17}{amount:>17}")
}

/// Latin 1 is most of Windows' encoding, and the euro sign is what else is met on invoices.
fn winansi(text: &str) -> Vec<u8> {
    let byte = |c: char| match (c, u8::try_from(u32::from(c))) {
        ('€', _) => 0x80,
        (_, Ok(byte)) if (0x20..0x7f).contains(&byte) || byte >= 0xa0 => byte,
        _ => b'?',
    };
    text.chars().map(byte).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use lopdf::Document;
    use serde_json::json;

    use super::*;

    fn job(lines: usize) -> WriteInvoice {
        let items: Vec<_> = (0..lines)
            .map(|n| json!({"sku": format!("sku-{n:02}"), "quantity": 2, "unitPrice": {"amount": 595, "currency": "EUR"}}))
            .collect();
        let total = 1190 * lines;
        serde_json::from_value(json!({
            "orderId": "o-1", "userId": "u-1", "customer": {"email": "ada@example.com"},
            "total": {"amount": total, "currency": "EUR"}, "items": items, "capturedAt": 1_793_611_800_000_u64,
        }))
        .unwrap()
    }

    fn seller() -> Seller {
        Seller::parse("Möbel & Söhne €, Straße 1, VAT DE1", "19").unwrap()
    }

    /// The text of each page, as another library reads it.
    fn read(pdf: &[u8]) -> Vec<String> {
        let document = Document::load_mem(pdf).unwrap();
        let pages = document.get_pages();
        pages
            .keys()
            .map(|page| document.extract_text(&[*page]).unwrap())
            .collect()
    }

    #[test]
    fn an_invoice_says_who_what_and_how_much() {
        let pages = read(&pdf(&job(1), "2026-03-000001", &seller()));
        let [page] = pages.as_slice() else {
            panic!("{pages:?}");
        };
        for said in [
            "Invoice 2026-03-000001",
            "Möbel & Söhne €",
            "VAT DE1",
            "2026-11-02",
            "o-1",
            "ada@example.com",
            "sku-00",
            "5.95 EUR",
            "11.90 EUR",
            "10.00 EUR",
            "Tax 19 %",
            "1.90 EUR",
            "Page 1 of 1",
        ] {
            assert!(page.contains(said), "{said}: {page}");
        }
    }

    #[test]
    fn ninety_lines_are_on_several_pages_each_once() {
        let pages = read(&pdf(&job(90), "2026-03-000001", &seller()));
        assert_eq!(pages.len(), 3);
        let all = pages.concat();
        for n in 0..90 {
            assert_eq!(all.matches(&format!("sku-{n:02}")).count(), 1, "{n}");
        }
        assert!(pages.iter().all(|page| page.contains("Quantity")));
        assert!(pages[2].contains("Total, paid") && pages[2].contains("1071.00 EUR"));
    }

    #[test]
    fn the_same_job_has_the_same_bytes() {
        let of = |number| pdf(&job(3), number, &seller());
        assert_eq!(of("1"), of("1"));
        assert_ne!(of("1"), of("2"));
    }

    #[test]
    fn letters_that_the_font_has_not_and_long_names_are_printed_all_the_same() {
        let mut job = serde_json::to_value(job(1)).unwrap();
        job["items"][0]["sku"] = format!("{}tail", "x".repeat(40)).into();
        job["customer"]["email"] = "柊\u{7}(\\@example.com".into();
        let pages = read(&pdf(&serde_json::from_value(job).unwrap(), "1", &seller()));
        assert!(pages[0].contains("tail") && pages[0].contains(&"x".repeat(36)));
        assert!(pages[0].contains("??(\\@example.com"), "{}", pages[0]);
    }
}
