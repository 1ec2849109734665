"""The networks: the article's convnet, pretrained backbones, and the heads on top of them."""
