import '../shared/tokens.css';
import '../shared/base.css';
import '../shared/frames.css';
import '../chat/chat.css';
import { render } from 'preact';
import { ChatPage } from '../chat/ChatPage';
import { ChatClient } from '../chat/client';
import { Account } from '../shared/account';
import { askHealth } from '../shared/health';
import { tabStore } from '../shared/storage';

const store = tabStore();
const account = new Account(store);
const client = new ChatClient(account, store);
const app = document.getElementById('app')!;
app.textContent = '';
render(<ChatPage client={client} account={account} />, app);
void askHealth();
client.start();
