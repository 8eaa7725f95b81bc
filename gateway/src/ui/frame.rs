//! The frame of every page: its head, and the plain form that pages have before anybody is known.

use maud::{DOCTYPE, Markup, html};

use super::Ui;
use super::assets::address;

/// The head, as all pages have it.
pub fn head(title: &str, name: &str, has_theme: bool) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · " (name) }
            link rel="icon" href=(address("icon.svg"));
            link rel="stylesheet" href=(address("style.css"));
            @if has_theme { link rel="stylesheet" href="/ui/theme.css"; }
            script src=(address("dashboard.js")) {}
        }
    }
}

/// A page without navigation.
pub fn bare(title: &str, content: &Markup) -> Markup {
    document((title, "Hookgate", false), content)
}

/// The same in the operator's looks.
pub fn before_sign_in(ui: &Ui, title: &str, content: &Markup) -> Markup {
    let look = &ui.parts().look;
    let brand = html! {
        p.brand { (mark(ui)) span { (look.name) } }
        (content)
    };
    document((title, &look.name, !look.theme.is_empty()), &brand)
}

fn document((title, name, has_theme): (&str, &str, bool), content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, name, has_theme))
            body.bare { main.card #main { (content) } }
        }
    }
}

/// The operator's logo, or ours.
pub fn mark(ui: &Ui) -> Markup {
    let logo = match ui.parts().look.logo {
        Some(_) => "/ui/logo".to_owned(),
        None => address("icon.svg"),
    };
    html! { img.logo src=(logo) alt="" width="28" height="28"; }
}
