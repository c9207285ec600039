-- The command side in SQLite. AUTOINCREMENT: an id is never used again, not even when the newest row is gone.
CREATE TABLE client (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL
);
CREATE TABLE product (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    price_cents BIGINT NOT NULL CHECK (price_cents >= 0),
    -- What is there, and how much of it confirmed orders are waiting for.
    stock BIGINT NOT NULL,
    reserved BIGINT NOT NULL DEFAULT 0,
    CHECK (reserved >= 0 AND stock >= reserved)
);
CREATE TABLE "order" (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    id_client BIGINT NOT NULL REFERENCES client (id),
    total_cents BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('received', 'confirmed', 'rejected')),
    placed_at_ms BIGINT NOT NULL,
    idempotency_key TEXT UNIQUE
);
CREATE TABLE order_item (
    id_order BIGINT NOT NULL REFERENCES "order" (id),
    id_product BIGINT NOT NULL REFERENCES product (id),
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    price_cents BIGINT NOT NULL,
    PRIMARY KEY (id_order, id_product)
);
-- The outbox. A row is published whenever it is due, and removed once its event is counted.
CREATE TABLE order_event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16)))),
    id_order BIGINT NOT NULL REFERENCES "order" (id),
    payload TEXT NOT NULL,
    due_at_ms BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX order_event_due ON order_event (due_at_ms);
-- What has left the stock: each product of an order once.
CREATE TABLE stock_movement (
    id_order BIGINT NOT NULL,
    id_product BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    PRIMARY KEY (id_order, id_product),
    FOREIGN KEY (id_order, id_product) REFERENCES order_item (id_order, id_product)
);
CREATE TABLE schema_version (version BIGINT NOT NULL);
INSERT INTO schema_version (version) VALUES (1);
