"""Architectures: a file for each, and its name is the architecture's name.

Its section, a class in `sigmoid_bce.study.models`, says what the file must define.

A network that is trained from images, whose section is no `Backbone`, defines
`network(model, shape)`: a Keras model from images (n, *shape), 0 to 255, to raw outputs (n, 1),
float32 whatever Keras's dtype policy. `model` is the section, shape = (size, size, channels), or
(n,) of a table's features if the network takes these. Pixels are cast to the type of its input.

A frozen network, whose section is a `Backbone`, defines

- `SIZE`: height and width, in pixels, of its input if the section gives no `image_size`;
- `backbone(weights, size)`: a Keras model from uint8 RGB images (n, size, size, 3) to its last
  convolution, float32 (n, height, width, channels), preprocessing included. `weights` is the path
  of a file, or "none", or another word that its section allows.
"""
