// Reads a JSON body and answers with JSON of about the same size.
export default {
  async fetch(request) {
    const order = await request.json();
    return Response.json({ ...order, total: order.items.reduce((sum, item) => sum + item.price * item.count, 0) });
  },
};
