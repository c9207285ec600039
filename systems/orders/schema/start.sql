INSERT INTO product (id, name, price_cents, stock) VALUES (1, 'Computer', 150000, 100000), (2, 'Phone', 50000, 100000), (3, 'TV', 100000, 100000);
INSERT INTO client (id, name, email) VALUES (1, 'Bob', 'bob@anemailprovider.com'), (2, 'Alice', 'alice@anemailprovider.com'), (3, 'John', 'john@anemailprovider.com');
