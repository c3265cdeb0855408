//! The catalog: products to list, search and get, in an old form and a new one.

use super::{Answer, Request, Service};
use serde_json::{Value, json};

/// What is on the shelf.
pub struct Catalog(Vec<Product>);

struct Product {
    id: &'static str,
    name: &'static str,
    cents: u32,
}

impl Catalog {
    pub fn stocked() -> Self {
        let shelf = [
            ("p-1", "Green tea", 490),
            ("p-2", "Black tea", 450),
            ("p-3", "Coffee", 890),
            ("p-4", "Cup", 1200),
        ];
        Self(shelf.map(|(id, name, cents)| Product { id, name, cents }).into())
    }

    fn list(&self, search: &str, form: fn(&Product) -> Value) -> Value {
        let search = search.to_lowercase();
        self.0.iter().filter(|product| product.name.to_lowercase().contains(&search)).map(form).collect()
    }

    fn get(&self, id: &str, form: fn(&Product) -> Value) -> Answer {
        let found = self.0.iter().find(|product| product.id == id);
        found.map_or_else(Answer::not_found, |product| Answer::ok(form(product)))
    }
}

impl Service for Catalog {
    fn answer(&mut self, request: &Request) -> Answer {
        let search = request.parameter("q").unwrap_or_default();
        match (request.method.as_str(), request.segments().as_slice()) {
            ("GET", ["api", "products"]) => Answer::ok(self.list(&search, Product::old_form)),
            ("GET", ["api", "products", id]) => self.get(id, Product::old_form),
            ("GET", ["api", "v2", "products"]) => {
                Answer::ok(json!({ "items": self.list(&search, Product::new_form) }))
            }
            ("GET", ["api", "v2", "products", id]) => self.get(id, Product::new_form),
            _ => Answer::not_found(),
        }
    }
}

impl Product {
    fn old_form(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "price": f64::from(self.cents) / 100.0 })
    }

    fn new_form(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "price": { "amount": self.cents, "unit": "cent", "currency": "EUR" } })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::request;
    use super::*;

    fn ask(target: &str) -> Answer {
        Catalog::stocked().answer(&request(&format!("GET {target}"), ""))
    }

    #[test]
    fn a_search_finds_names_in_any_case() {
        assert_eq!(ask("/api/products?q=TEA").body.as_array().unwrap().len(), 2);
        assert_eq!(ask("/api/products").body.as_array().unwrap().len(), 4);
        assert_eq!(ask("/api/products?q=boat").body, json!([]));
    }

    #[test]
    fn the_new_form_has_a_price_with_a_currency() {
        assert_eq!(ask("/api/products/p-1").body["price"], json!(4.9));
        assert_eq!(ask("/api/v2/products/p-1").body["price"]["currency"], "EUR");
    }

    #[test]
    fn what_is_not_on_the_shelf_is_not_found() {
        for target in ["/api/products/p-99", "/api/v3/products", "/"] {
            assert_eq!(ask(target).status, 404, "{target}");
        }
    }
}
