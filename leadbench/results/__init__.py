"""Records of finished work, and the folders that store them."""
