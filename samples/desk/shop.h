#pragma once

#include <string>
#include <vector>

#include "runtime/nephrite.h"

/// The products of a small shop, made by whichever program comes first.
inline std::vector<nephrite::Object> openShop(nephrite::Process& process) {
  using namespace nephrite;
  process.defineClass({.name = "Product",
                       .properties = {{"name", ValueType::String}, {"stock", ValueType::Integer}}});
  // The System object is there in every database: a lock that all programs can agree on.
  Transaction setUp(process);
  process.system().object().exclusiveLock();
  std::vector<Object> products = process.instances("Product");
  if (products.empty()) {
    for (const char* name : {"apples", "bread", "cheese"}) {
      Object product = process.create("Product");
      product.set("name", std::string(name));
      product.set("stock", 20);
      products.push_back(product);
    }
  }
  setUp.commit();
  return products;
}
