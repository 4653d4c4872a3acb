"""What is printed: tables, documents, templates, in kubectl's form."""
